# The nomadscale gateway as a Nomad job. It speaks to Nomad through the task's own
# socket, with the job's workload identity; with ACLs on, attach the policy of
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
  description = "Port that takes the requests."
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

    # The autoscaler's apm plugin and the other gateways ask here for the load.
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

      # Time for the requests in flight to end when the gateway is stopped.
      kill_timeout = "30s"

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
