# The scaling block for a hand-written jobspec.
output "scaling" {
  value = provider::nomadscale::policy("default/web/app", {
    autoscaling            = { min_instances = 0, max_instances = 5 }
    service_selection_mode = "min_load"
    routing                = { hosts = ["web.example.com"] }
  })
}
