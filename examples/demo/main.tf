terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

# Configured by NOMAD_ADDR, NOMAD_TOKEN and the other NOMAD_* variables.
provider "nomadscale" {}

resource "nomadscale_app" "hello" {
  jobspec = <<-EOT
    job "hello" {
      group "web" {
        network {
          port "http" {}
        }
        shutdown_delay = "15s"
        update {
          health_check     = "task_states"
          min_healthy_time = "0s"
        }
        task "app" {
          driver = "raw_exec"
          config {
            command = "${abspath("${path.module}/app")}"
          }
          resources {
            cpu    = 50
            memory = 32
          }
        }
      }
    }
  EOT
  group   = "web"

  autoscaling = {
    min_instances = 0
    max_instances = 4

    # An instance carries 120 requests a minute. Above 80 % of that, the app grows by
    # all the instances that the load needs; below 30 %, it shrinks by one.
    target_requests_per_instance = 120
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.3
    scale_up_step                = 0
    scale_up_cooldown            = "10s"
    scale_down_cooldown          = "5s"

    # The app goes to zero after this time without a request.
    stop_after_inactive = "20s"

    evaluation_interval = "2s"

    # This target does not wait for the deployment of the last change of the count.
    target = "nomadscale"
  }

  service_selection_mode = "min_load"
}
