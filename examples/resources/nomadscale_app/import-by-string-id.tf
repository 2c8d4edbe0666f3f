import {
  to = nomadscale_app.images
  id = "default/images/api"
}
