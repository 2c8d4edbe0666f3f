# The rights of the Terraform provider's token in a namespace of apps. The resources
# for apps and policies need the first two capabilities. Leave out the capabilities
# for types that you do not use.
namespace "default" {
  capabilities = [
    "submit-job",            # parse, register and remove jobs with their policies, and scale them
    "read-job",              # read jobs back, and follow their deployments, instances and scaling events
    "list-scaling-policies", # find apps, for data sources and list resources
    "read-scaling-policy",   # read the policy of each app
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
