# The rights of the autoscaler's agent and of nomadscale's plugins in a namespace of
# apps. Repeat the block for each namespace, or use a pattern for their names.
namespace "*" {
  capabilities = [
    "list-scaling-policies", # the agent: find the policies
    "read-scaling-policy",   # the agent: read each policy
    "submit-job",            # optional: scale while the deployment of the last count change still runs
    "scale-job",             # the agent: change the count
    "read-job",              # read the count, its history and the jobs' events; find the gateways
  ]

  variables {
    # The overrides of the apps.
    path "nomadscale/overrides/*" {
      capabilities = ["list", "read"]
    }

    # The lock that decides which of several agents acts.
    path "nomad-autoscaler/lock" {
      capabilities = ["write"]
    }
  }
}
