terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

# Configured by NOMAD_ADDR, NOMAD_TOKEN and the other NOMAD_* variables.
provider "nomadscale" {}

variable "scale_down_cooldown" {
  type        = string
  description = "The minimum time between any change of the count and the next scale-down."
  default     = "60s"
}

resource "nomadscale_app" "hello" {
  jobspec = templatefile("${path.module}/hello.nomad.hcl", { app = abspath("${path.module}/app") })
  group   = "web"

  autoscaling = {
    min_instances = 1
    max_instances = 3

    # An instance carries 20 requests a minute. Above 80 % of that, the app grows by
    # one instance; below 30 %, it shrinks by one.
    target_requests_per_instance = 20
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.3
    scale_up_cooldown            = "30s"
    scale_down_cooldown          = var.scale_down_cooldown
  }
}
