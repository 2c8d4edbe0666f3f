# Scales with the length of a queue, which Prometheus measures.
resource "nomadscale_app" "worker" {
  group   = "worker"
  jobspec = <<-EOT
    job "worker" {
      group "worker" {
        task "worker" {
          driver = "docker"
          config {
            image = "registry.example.com/worker:3"
          }
        }
      }
    }
  EOT

  autoscaling = {
    metric              = "custom"
    source              = "prometheus"
    query               = "sum(queue_messages_ready{queue=\"mail\"})"
    target_per_instance = 50
    max_instances       = 20
    scale_up_step       = 5
  }
}
