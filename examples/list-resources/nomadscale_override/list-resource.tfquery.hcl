# The overrides that are in force, whoever set them.
list "nomadscale_override" "all" {
  provider         = nomadscale
  include_resource = true
}
