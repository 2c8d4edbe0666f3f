terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

provider "nomadscale" {}

variable "stop_after_inactive" {
  type        = string
  description = "How long the app may be without load before it goes to zero."
  default     = "1m"
}

variable "campaign" {
  type        = bool
  description = "Whether to raise the limit for a campaign."
  default     = false
}

# One request at a time on each instance, like a Modal function with max_containers
# = 10, min_containers = 0, buffer_containers = 1, timeout = 180.
resource "nomadscale_app" "generate" {
  jobspec = templatefile("${path.module}/generate.nomad.hcl", { app = abspath("${path.module}/app") })
  group   = "web"

  autoscaling = {
    metric           = "concurrency"
    min_instances    = 0
    max_instances    = 10
    buffer_instances = 1

    # Add all the instances that the load needs in one action.
    scale_up_step     = 0
    scale_up_cooldown = "0s"
    scale_down_step   = 0

    stop_after_inactive       = var.stop_after_inactive
    price_per_instance_second = 0.000059

    # The limit that Nomad enforces. An override can raise max_instances up to here.
    hard_max_instances = 50
  }

  routing = {
    max_concurrency_per_instance = 1
    request_timeout              = "180s"
    rate_limit                   = 200
    rate_limit_burst             = 1000
  }
}

# Declares what the command nomadscale override set does.
resource "nomadscale_override" "campaign" {
  count = var.campaign ? 1 : 0

  job_id = nomadscale_app.generate.job_id
  group  = nomadscale_app.generate.group

  max_instances = 50
  duration      = "20s"
  reason        = "the next campaign"
}
