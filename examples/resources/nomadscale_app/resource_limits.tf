# The limits that Modal sets for a web endpoint: 180 s for an answer, and 200
# requests a second with a burst of 1000. A client above the rate limit gets a 429
# that says when to retry.
resource "nomadscale_app" "endpoint" {
  group   = "web"
  jobspec = <<-EOT
    job "endpoint" {
      group "web" {
        network {
          port "http" {}
        }
        update {
          max_parallel = 0
        }
        task "web" {
          driver = "docker"
          config {
            image = "registry.example.com/endpoint:3"
            ports = ["http"]
          }
        }
      }
    }
  EOT

  autoscaling = {
    metric                          = "concurrency"
    min_instances                   = 0
    max_instances                   = 20
    target_concurrency_per_instance = 20
    scale_up_step                   = 0
  }

  routing = {
    request_timeout  = "180s"
    rate_limit       = 200
    rate_limit_burst = 1000

    # The app scales for twenty requests at a time, and the gateway sends at most thirty.
    max_concurrency_per_instance = 30
    max_queued_requests          = 500
  }
}
