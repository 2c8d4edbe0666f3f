# Compares the cost of two business days with the cost of an app that can go to zero
# at night. The resource that declares the policy uses local.policy too.
locals {
  policy = {
    min_instances             = 2
    max_instances             = 20
    price_per_instance_second = 0.00002
  }
}

data "nomadscale_simulation" "checkout" {
  trace       = "business-day:0..1000"
  duration    = "48h"
  start_delay = "8s"

  autoscaling = local.policy
  against     = merge(local.policy, { min_instances = 0 })
}

output "saved" {
  value = -data.nomadscale_simulation.checkout.difference.cost
}

output "requests_that_would_wait" {
  value = data.nomadscale_simulation.checkout.against_result.cold_requests
}
