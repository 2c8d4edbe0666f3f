# What the token of the Terraform provider may do in a namespace of apps. The first
# two are for apps and policies; leave out what is for types that you do not use.
namespace "default" {
  capabilities = [
    "submit-job",            # parse, register and remove jobs with their policies, and scale them
    "read-job",              # read them back, and follow their deployments, instances and scaling events
    "list-scaling-policies", # find apps, for data sources and lists
    "read-scaling-policy",   # read the policy of each
  ]

  # The overrides of its apps.
  variables {
    path "nomadscale/overrides/*" {
      capabilities = [
        "read",    # find them and read them back
        "write",   # set them
        "destroy", # clear them
      ]
    }
  }
}
