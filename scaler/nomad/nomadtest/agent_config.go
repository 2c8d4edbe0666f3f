package nomadtest

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

// serverConfig is the configuration of a server. It takes the number of servers, the
// Raft multiplier, the heartbeat time of nodes in seconds, and the addresses of all
// servers.
const serverConfig = `
server {
  enabled          = true
  bootstrap_expect = %[1]d
  raft_multiplier  = %[2]d
  # A node without a heartbeat is lost after twice this time.
  min_heartbeat_ttl = "%[3]ds"
  heartbeat_grace   = "%[3]ds"
  server_join { retry_join = [%[4]s] }
}
`

// noClient makes an agent only a server.
const noClient = "none"

// clientConfig is the configuration of a client. It takes the addresses of the
// servers and the range of ports for tasks. The denied fingerprints contact addresses
// outside of this machine.
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
