data "nomadscale_instances" "checkout" {
  namespace = "shop"
  job_id    = "checkout"
  group     = "web"

  # Also show which instance this mode would select.
  service_selection_mode = "min_load"
}

output "addresses" {
  value = [for instance in data.nomadscale_instances.checkout.instances : instance.address if instance.state == "ready"]
}
