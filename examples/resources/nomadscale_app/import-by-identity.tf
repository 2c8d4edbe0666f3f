import {
  to = nomadscale_app.images
  identity = {
    namespace = "default"
    job_id    = "images"
    group     = "api"
  }
}
