import {
  to = nomadscale_policy.shop
  identity = {
    namespace = "default"
    job_id    = "shop"
    group     = "web"
  }
}
