# The owner registers the job, with `nomad job run` or in a pipeline.
resource "nomadscale_policy" "shop" {
  job_id = "shop"
  group  = "web"

  autoscaling = {
    min_instances = 1
    max_instances = 8

    target_requests_per_instance = 120
    scale_up_cooldown            = "1m"
    scale_down_cooldown          = "5m"
  }

  service_selection_mode = "min_load"

  routing = {
    hosts      = ["shop.example.com"]
    ready_path = "/healthz"
  }
}
