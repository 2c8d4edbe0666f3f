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
  default     = "10m"
}

resource "nomadscale_app" "function" {
  jobspec = templatefile("${path.module}/function.nomad.hcl", { function = abspath("${path.module}/function") })
  group   = "web"

  autoscaling = {
    # Nothing runs until the first request, which waits for an instance to start.
    min_instances = 0
    max_instances = 3

    # An instance carries 25 requests a minute. A burst immediately starts all the
    # instances that it needs.
    target_requests_per_instance = 25
    scale_up_step                = 0
    scale_up_cooldown            = "0s"
    stop_after_inactive          = var.stop_after_inactive
  }

  service_selection_mode = "random"
}
