job "function" {
  group "web" {
    network {
      port "http" {}
    }

    # How long in-flight requests may take after Nomad stops an instance.
    shutdown_delay = "5s"

    # With this, the deployment for a change of the count takes about a second.
    update {
      health_check     = "task_states"
      min_healthy_time = "0s"
    }

    task "function" {
      driver = "raw_exec"
      config {
        command = "${function}"
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
