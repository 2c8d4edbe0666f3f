# What the autoscaler's agent and nomadscale's plugins may do in a namespace of
# apps. Repeat the block for each namespace, or name them with a pattern.
namespace "*" {
  capabilities = [
    "list-scaling-policies", # the agent: find the policies
    "read-scaling-policy",   # the agent: read each of them
    "submit-job",            # optional: scale on while the last change of a count is deployed
    "scale-job",             # the agent: change the count
    "read-job",              # the count, the history and the jobs' events; the apm finds the gateways
  ]

  variables {
    # The overrides of the apps.
    path "nomadscale/overrides/*" {
      capabilities = ["list", "read"]
    }

    # Of several agents: the lock that decides which of them acts.
    path "nomad-autoscaler/lock" {
      capabilities = ["write"]
    }
  }
}
