# The ID is <namespace>/<job>/<group>. The job's ID may contain slashes.
terraform import nomadscale_override.sale default/shop/web
