# An ordinary Nomad job: nothing in it knows of scaling.
job "hello" {
  group "web" {
    network {
      port "http" {}
    }

    # So long has what is in flight when Nomad stops an instance. The gateway sends
    # nothing new to it from the moment of the decision.
    shutdown_delay = "15s"

    # A change of the count is a deployment to Nomad, and no other change can
    # follow until it is done. This makes that a second, not ten and more.
    update {
      health_check     = "task_states"
      min_healthy_time = "0s"
    }

    task "app" {
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
