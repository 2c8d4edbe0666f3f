# Lists the policies in all jobs, also those that Terraform did not write. To write
# their configuration: terraform query -generate-config-out=policies.tf
list "nomadscale_policy" "all" {
  provider         = nomadscale
  include_resource = true

  config {
    namespace = "default"
  }
}
