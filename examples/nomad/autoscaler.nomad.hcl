# The Nomad Autoscaler with nomadscale's plugins, as a Nomad job.
#
# plugin_dir contains the nomadscale binary, with the file name nomadscale. The
# agent uses the task's own socket and the job's workload identity to access Nomad.
# If ACLs are enabled, attach the policy in autoscaler.policy.hcl to the job:
#
#   nomad acl policy apply -namespace default -job nomad-autoscaler \
#     nomad-autoscaler autoscaler.policy.hcl

variable "autoscaler" {
  type        = string
  description = "Path of the nomad-autoscaler binary."
  default     = "/usr/local/bin/nomad-autoscaler"
}

variable "plugin_dir" {
  type        = string
  description = "Directory that contains the nomadscale binary."
  default     = "/opt/nomad-autoscaler/plugins"
}

variable "agents" {
  type        = number
  description = "How many agents run. One acts, and the others are on standby."
  default     = 1
}

variable "watchdog" {
  type        = string
  description = "How long an app may go without an evaluation before the agent is restarted."
  default     = "2m"
}

job "nomad-autoscaler" {
  group "agent" {
    count = var.agents

    # Restart the agent without limit.
    restart {
      attempts = 3
      interval = "1m"
      delay    = "5s"
      mode     = "delay"
    }

    network {
      port "http" {}
    }

    task "agent" {
      driver = "raw_exec"

      config {
        command = var.autoscaler
        args    = ["agent", "-config", "${NOMAD_TASK_DIR}/agent.hcl"]
      }

      identity {
        env = true
      }

      template {
        destination = "${NOMAD_TASK_DIR}/agent.hcl"
        data        = <<-EOF
          plugin_dir = "${var.plugin_dir}"

          http {
            bind_address = "{{ env "NOMAD_IP_http" }}"
            bind_port    = {{ env "NOMAD_PORT_http" }}
          }

          nomad {
            address   = "unix://{{ env "NOMAD_SECRETS_DIR" }}/api.sock"
            namespace = "*"
          }

          # A lock in Nomad decides which of several agents acts.
          high_availability {
            enabled    = ${var.agents > 1}
            lock_path  = "nomad-autoscaler/lock"
            lock_ttl   = "15s"
            lock_delay = "1s"
          }

          # The watchdog ends an agent that has stopped evaluating an app, and
          # Nomad restarts the agent. The value must be above the longest
          # evaluation_interval.
          strategy "nomadscale" {
            driver = "nomadscale"
            args   = ["strategy"]
            config = {
              watchdog = "${var.watchdog}"
            }
          }

          target "nomadscale" {
            driver = "nomadscale"
            args   = ["target"]
          }

          # Finds the gateways through the name of their service.
          apm "nomadscale" {
            driver = "nomadscale"
            args   = ["apm"]
            config = {
              gateway_service = "nomadscale-gateway-admin"
            }
          }
        EOF
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
