# <namespace>/<job>/<group>; the job's ID may have slashes in it.
terraform import nomadscale_override.sale default/shop/web
