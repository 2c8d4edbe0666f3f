# The gateway's rights in a namespace of apps. Repeat the block for each namespace,
# or use a pattern for their names.
namespace "*" {
  capabilities = [
    "list-scaling-policies", # find the apps
    "read-scaling-policy",   # read each app's policy
    "submit-job",            # optional: scale while the deployment of the last count change still runs
    "scale-job",             # start instances for queued requests
    "read-job",              # read the count, its history, the instances and their events; find the other gateways
    "alloc-lifecycle",       # end a shutdown_delay when the last request has ended
  ]

  # The overrides of its apps.
  variables {
    path "nomadscale/overrides/*" {
      capabilities = ["list", "read"]
    }
  }
}
