import {
  to = nomadscale_override.sale
  identity = {
    namespace = "default"
    job_id    = "shop"
    group     = "web"
  }
}
