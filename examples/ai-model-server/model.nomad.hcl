job "model" {
  group "server" {
    network {
      port "http" {}
    }

    # Time for the requests in flight when an instance is stopped.
    shutdown_delay = "15s"

    # A change of the count is deployed within a second.
    update {
      health_check     = "task_states"
      min_healthy_time = "0s"
    }

    task "server" {
      driver = "raw_exec"
      config {
        command = "${python}"
        args    = ["local/model.py"]
      }
      template {
        destination = "local/model.py"
        data        = <<EOT
${source}
EOT
      }
      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
