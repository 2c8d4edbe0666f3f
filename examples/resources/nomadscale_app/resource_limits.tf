# The limits that Modal gives a web endpoint: 180 s for an answer, and 200
# requests a second with a burst of 1000. A client beyond them is told by 429 when
# to come back.
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

    # Twenty at a time are wanted, and thirty are let through.
    max_concurrency_per_instance = 30
    max_queued_requests          = 500
  }
}
