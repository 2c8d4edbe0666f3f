# What the gateway may do in a namespace of apps. Repeat the block for each
# namespace, or name them with a pattern.
namespace "*" {
  capabilities = [
    "list-scaling-policies", # find the apps
    "read-scaling-policy",   # read each app's policy
    "submit-job",            # optional: scale on while the last change of a count is deployed
    "scale-job",             # start instances for requests that wait
    "read-job",              # the count, the history, the instances and their events, and the other gateways
    "alloc-lifecycle",       # end a shutdown delay when the last request has ended
  ]

  # The overrides of its apps.
  variables {
    path "nomadscale/overrides/*" {
      capabilities = ["list", "read"]
    }
  }
}
