job "function" {
  group "web" {
    network {
      port "http" {}
    }

    # Time for the requests in flight when an instance is stopped.
    shutdown_delay = "5s"

    # A change of the count is deployed within a second.
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
