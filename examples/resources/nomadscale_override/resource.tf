# Lets the shop grow to 50 instances during the sale.
resource "nomadscale_override" "sale" {
  job_id = "shop"
  group  = "web"

  min_instances = 5
  max_instances = 50

  duration = "8h"
  reason   = "summer sale"
}
