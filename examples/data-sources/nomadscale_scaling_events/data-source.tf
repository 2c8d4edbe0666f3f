data "nomadscale_scaling_events" "checkout" {
  namespace = "shop"
  job_id    = "checkout"
  group     = "web"
  limit     = 5
}

output "checkout" {
  value = [for event in data.nomadscale_scaling_events.checkout.events : "${event.time} ${event.from} to ${event.to}: ${event.reason}"]
}
