# What the gateway may do in a namespace of apps. Repeat the block for each
# namespace, or name them with a pattern.
namespace "*" {
  capabilities = [
    "list-scaling-policies", # find the apps
    "read-scaling-policy",   # read each app's policy
    "read-job-scaling",      # the count and the history, before it decides
    "scale-job",             # start instances for requests that wait
    "read-job",              # find the instances and follow their events
    "alloc-lifecycle",       # end a shutdown delay when the last request has ended
  ]
}
