# Keeps the count as it is until the maintenance has ended.
resource "nomadscale_override" "maintenance" {
  job_id = "shop"
  group  = "search"

  hold       = true
  expires_at = timeadd(plantimestamp(), "30m")
  reason     = "maintenance of the database"

  lifecycle {
    ignore_changes = [expires_at]
  }
}
