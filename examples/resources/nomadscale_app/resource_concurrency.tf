# One request at a time on each instance, and one warm spare instance. This suits a
# model server.
resource "nomadscale_app" "model" {
  group   = "gpu"
  jobspec = <<-EOT
    job "model" {
      group "gpu" {
        network {
          port "http" {}
        }
        update {
          max_parallel = 0
        }
        task "serve" {
          driver = "docker"
          config {
            image = "registry.example.com/model:7"
            ports = ["http"]
          }
          resources {
            memory = 16000
          }
        }
      }
    }
  EOT

  autoscaling = {
    metric           = "concurrency"
    min_instances    = 0
    max_instances    = 10
    buffer_instances = 1
    scale_up_step    = 0
  }

  routing = {
    max_concurrency_per_instance = 1
    start_timeout                = "5m"
    request_timeout              = "30m"
  }
}
