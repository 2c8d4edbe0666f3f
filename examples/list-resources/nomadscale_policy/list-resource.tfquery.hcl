# The policies that stand in jobs, whoever wrote them. To write their
# configuration: terraform query -generate-config-out=policies.tf
list "nomadscale_policy" "all" {
  provider         = nomadscale
  include_resource = true

  config {
    namespace = "default"
  }
}
