package nomadtest

// agentConfig is the configuration that every agent has.
const agentConfig = `
data_dir   = %q
bind_addr  = "127.0.0.1"
log_level  = "INFO"
disable_update_check = true
leave_on_terminate   = false

ports {
  http = %d
  rpc  = %d
  serf = %d
}
advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1:%d"
  serf = "127.0.0.1:%d"
}
plugin "raw_exec" {
  config { enabled = true }
}
consul { client_auto_join = false }
acl { enabled = %t }
`

// serverConfig is the configuration of a server. Its parameters are the number of
// servers, the Raft multiplier, the heartbeat times in seconds, and the addresses of all
// servers.
const serverConfig = `
server {
  enabled          = true
  bootstrap_expect = %[1]d
  raft_multiplier  = %[2]d
  # A node is lost if it sends no heartbeat for the sum of both.
  min_heartbeat_ttl = "%[3]ds"
  heartbeat_grace   = "%[3]ds"
  server_join { retry_join = [%[4]s] }
}
`

// noClient stands for the servers of an agent that is no client.
const noClient = "none"

// clientConfig is the configuration of a client. Its parameters are the addresses of the
// servers and the range of dynamic ports. The denied fingerprints would send requests to
// addresses outside of the machine.
const clientConfig = `
client {
  enabled             = true
  servers             = [%s]
  network_interface   = "lo"
  cpu_total_compute   = 100000
  memory_total_mb     = 100000
  min_dynamic_port    = %d
  max_dynamic_port    = %d
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
  }
}
`
