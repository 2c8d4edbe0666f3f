# How many instances 250 requests a minute would call for, while 2 run.
output "decision" {
  value = provider::nomadscale::decide(
    { autoscaling = { max_instances = 5, target_requests_per_instance = 100 } },
    { desired = 2, load = 250 },
  )
}
