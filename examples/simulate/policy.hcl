# A policy for a web shop, as in the strategy block of its job. To see what it would
# have done with the load of one day, and what another step and cooldown would change:
#
#   nomadscale simulate --policy policy.hcl --trace trace.csv --start-delay 8s \
#     --against scale_up_step=0,scale_up_cooldown=30s --chart day.html

min_instances    = 0
max_instances    = 20
buffer_instances = 1

# An instance carries 100 requests a minute.
target_requests_per_instance = 100
scale_up_threshold           = 0.9
scale_down_threshold         = 0.6

scale_up_cooldown   = "2m"
scale_down_cooldown = "10m"
stop_after_inactive = "15m"

# In dollars.
price_per_instance_second = 0.000059
