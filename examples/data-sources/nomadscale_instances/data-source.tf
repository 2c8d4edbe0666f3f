data "nomadscale_instances" "checkout" {
  namespace = "shop"
  job_id    = "checkout"
  group     = "web"

  # Where would the least loaded one be?
  service_selection_mode = "min_load"
}

output "addresses" {
  value = [for instance in data.nomadscale_instances.checkout.instances : instance.address if instance.state == "ready"]
}
