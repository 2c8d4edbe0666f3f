terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

# Reads NOMAD_ADDR, NOMAD_TOKEN and the other NOMAD_* variables.
provider "nomadscale" {}

variable "app" {
  type        = string
  description = "Path of the app's binary, as built from examples/app."
}

resource "nomadscale_app" "hello" {
  jobspec = templatefile("${path.module}/hello.nomad.hcl", { app = var.app })
  group   = "web"

  autoscaling = {
    min_instances = 0
    max_instances = 4

    # An instance carries 120 requests a minute. Above 80 % of that the app grows,
    # by as many instances as the load calls for; below 30 % it shrinks by one.
    target_requests_per_instance = 120
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.3
    scale_up_step                = 0
    scale_up_cooldown            = "10s"
    scale_down_cooldown          = "5s"

    # Without a request for so long, it goes to zero.
    stop_after_inactive = "20s"

    evaluation_interval = "2s"

    # Does not wait for Nomad's deployment of the last change of the count.
    target = "nomadscale"
  }

  service_selection_mode = "min_load"
}
