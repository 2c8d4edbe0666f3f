import {
  to = nomadscale_policy.shop
  id = "default/shop/web"
}
