# Goes to zero when idle, starts with the first request and grows with the load.
resource "nomadscale_app" "images" {
  group   = "api"
  jobspec = <<-EOT
    job "images" {
      group "api" {
        # How long in-flight requests may take after Nomad stops an instance.
        shutdown_delay = "60s"

        network {
          port "http" {}
        }

        # A change of the count creates no deployment to wait for.
        update {
          max_parallel = 0
        }

        task "api" {
          driver = "docker"
          config {
            image = "registry.example.com/images:1.4.2"
            ports = ["http"]
          }
          resources {
            cpu    = 500
            memory = 512
          }
        }
      }
    }
  EOT

  autoscaling = {
    min_instances = 0
    max_instances = 8

    target_requests_per_instance = 120
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.3
    scale_up_cooldown            = "1m"
    scale_down_cooldown          = "5m"
    stop_after_inactive          = "15m"
  }

  service_selection_mode = "min_load"

  routing = {
    hosts                        = ["images.example.com"]
    ready_path                   = "/healthz"
    max_concurrency_per_instance = 20
  }
}
