terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

provider "nomadscale" {}

variable "python" {
  type        = string
  description = "A Python 3; its standard library is enough."
  default     = "/usr/bin/python3"
}

variable "scale_down_cooldown" {
  type        = string
  description = "The minimum time between any change of the count and the next scale-down."
  default     = "300s"
}

resource "nomadscale_app" "model" {
  jobspec = templatefile("${path.module}/model.nomad.hcl", {
    python = var.python
    source = file("${path.module}/model.py")
  })
  group = "server"

  autoscaling = {
    # Two, so that one still runs if the other is lost.
    min_instances = 2
    max_instances = 8

    # One request a second on each instance. Scaling up is fast, scaling down is slow.
    target_requests_per_instance = 60
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.4
    scale_up_cooldown            = "60s"
    scale_down_cooldown          = var.scale_down_cooldown
    stop_after_inactive          = "1h"
  }

  service_selection_mode = "random"

  routing = {
    # An instance gets no request before its model is loaded. A request waits up to
    # start_timeout for such an instance.
    ready_path    = "/health"
    start_timeout = "30s"
  }
}
