# Lists groups of service jobs that have no policy and could become apps. To write
# their configuration: terraform query -generate-config-out=apps.tf
list "nomadscale_app" "candidates" {
  provider         = nomadscale
  include_resource = true

  config {
    namespace      = "default"
    without_policy = true
  }
}
