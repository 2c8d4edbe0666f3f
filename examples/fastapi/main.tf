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
  description = "Path of a Python that has FastAPI and uvicorn."
}

variable "scale_down_cooldown" {
  type        = string
  description = "The minimum time between any change of the count and the next scale-down."
  default     = "90s"
}

resource "nomadscale_app" "images" {
  # The source is in the job, so every node gets it, and the plan shows its changes.
  jobspec = templatefile("${path.module}/images.nomad.hcl", {
    python = var.python
    source = file("${path.module}/images.py")
  })
  group = "web"

  autoscaling = {
    min_instances = 1
    max_instances = 4

    # An instance carries 30 requests a minute. The app grows by one instance above 24
    # requests per instance, and shrinks by one below 9.
    target_requests_per_instance = 30
    scale_up_threshold           = 0.8
    scale_down_threshold         = 0.3
    scale_up_cooldown            = "45s"
    scale_down_cooldown          = var.scale_down_cooldown
  }

  service_selection_mode = "random"
}
