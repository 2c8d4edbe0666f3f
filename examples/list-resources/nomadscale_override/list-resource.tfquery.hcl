# Lists all overrides in force, also those that Terraform did not set.
list "nomadscale_override" "all" {
  provider         = nomadscale
  include_resource = true
}
