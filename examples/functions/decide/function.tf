# The decision for 250 requests a minute while 2 instances run.
output "decision" {
  value = provider::nomadscale::decide(
    { autoscaling = { max_instances = 5, target_requests_per_instance = 100 } },
    { desired = 2, load = 250 },
  )
}
