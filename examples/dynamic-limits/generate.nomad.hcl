job "generate" {
  group "web" {
    network {
      port "http" {}
    }

    # Longer than a request takes, so that it ends when its instance is stopped.
    shutdown_delay = "10s"

    # A change of the count is deployed within a second.
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
