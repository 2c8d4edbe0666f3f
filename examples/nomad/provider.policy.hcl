# What the token of the Terraform provider may do in a namespace of apps.
namespace "default" {
  capabilities = [
    "submit-job", # parse, register and remove jobs with their policies
    "read-job",   # read them back, and follow their deployments
  ]
}
