job "images" {
  group "web" {
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

    task "app" {
      driver = "raw_exec"
      config {
        command = "${python}"
        args    = ["local/images.py"]
      }
      template {
        destination = "local/images.py"
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
