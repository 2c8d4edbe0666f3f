data "nomadscale_apps" "shop" {
  namespace = "shop"
  enabled   = true
}

# How many instances run in the whole namespace.
output "instances" {
  value = sum(concat([0], data.nomadscale_apps.shop.apps[*].running))
}

# Fail if an app's policy is invalid, because nothing scales such an app.
data "nomadscale_apps" "checked" {
  namespace = "shop"

  lifecycle {
    postcondition {
      condition     = alltrue(self.apps[*].valid)
      error_message = join("\n", [for app in self.apps : "${app.id}: ${app.error}" if !app.valid])
    }
  }
}
