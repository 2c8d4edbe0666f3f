# The nomadscale gateway as a Nomad job. It uses the task's own socket and the job's
# workload identity to access Nomad. If ACLs are enabled, attach the policy in
# gateway.policy.hcl to the job:
#
#   nomad acl policy apply -namespace default -job nomadscale-gateway \
#     nomadscale-gateway gateway.policy.hcl

variable "nomadscale" {
  type        = string
  description = "Path of the nomadscale binary."
  default     = "/usr/local/bin/nomadscale"
}

variable "gateways" {
  type        = number
  description = "How many gateways to run, each on a node of its own."
  default     = 1
}

variable "http_port" {
  type        = number
  description = "Port that accepts requests."
  default     = 8080
}

job "nomadscale-gateway" {
  group "gateway" {
    count = var.gateways

    network {
      port "http" {
        static = var.http_port
      }
      port "admin" {}
    }

    service {
      name     = "nomadscale-gateway"
      provider = "nomad"
      port     = "http"
    }

    # The autoscaler's apm plugin and the other gateways read the load here.
    service {
      name     = "nomadscale-gateway-admin"
      provider = "nomad"
      port     = "admin"
    }

    task "gateway" {
      driver = "raw_exec"

      config {
        command = var.nomadscale
        args = [
          "gateway",
          "--listen", "${NOMAD_ADDR_http}",
          "--admin-listen", "${NOMAD_ADDR_admin}",
        ]
      }

      identity {
        env = true
      }

      # How long in-flight requests may take after Nomad stops the gateway.
      kill_timeout = "30s"

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
