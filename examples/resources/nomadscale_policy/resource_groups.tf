# Each group of a job can have its own policy. This group goes to zero when idle, and
# takes one request at a time on each instance.
resource "nomadscale_policy" "search" {
  job_id = "shop"
  group  = "search"

  autoscaling = {
    metric        = "concurrency"
    min_instances = 0
    max_instances = 4
    scale_up_step = 0
  }

  routing = {
    max_concurrency_per_instance = 1
  }
}
