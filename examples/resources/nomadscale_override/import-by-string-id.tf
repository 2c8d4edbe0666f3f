import {
  to = nomadscale_override.sale
  id = "default/shop/web"
}
