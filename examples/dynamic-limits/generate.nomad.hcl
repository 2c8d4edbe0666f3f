job "generate" {
  group "web" {
    network {
      port "http" {}
    }

    # Longer than a request takes, so that it can end after Nomad stops its instance.
    shutdown_delay = "10s"

    # With this, the deployment for a change of the count takes about a second.
    update {
      health_check     = "task_states"
      min_healthy_time = "0s"
    }

    task "generate" {
      driver = "raw_exec"
      config {
        command = "${app}"
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
