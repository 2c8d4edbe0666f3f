# An ordinary Nomad job. Nothing in it is specific to scaling.
job "hello" {
  group "web" {
    network {
      port "http" {}
    }

    # How long in-flight requests may take after Nomad stops an instance. The gateway
    # sends no new requests to the instance from the moment of the decision.
    shutdown_delay = "15s"

    # Nomad treats a change of the count as a deployment, and refuses the next change
    # until it has ended. With this block that takes a second, not ten or more.
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
