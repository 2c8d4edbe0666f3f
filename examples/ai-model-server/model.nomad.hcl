job "model" {
  group "server" {
    network {
      port "http" {}
    }

    # How long in-flight requests may take after Nomad stops an instance.
    shutdown_delay = "15s"

    # With this, the deployment for a change of the count takes about a second.
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
