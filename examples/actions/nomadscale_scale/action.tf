# Starts instances before a rush. To run it: terraform apply -invoke=action.nomadscale_scale.rush
action "nomadscale_scale" "rush" {
  config {
    job_id    = "images"
    group     = "api"
    instances = 6
    reason    = "The campaign starts at noon."
    wait      = true
    timeout   = "10m"
  }
}
