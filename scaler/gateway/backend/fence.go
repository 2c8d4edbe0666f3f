package backend

import "github.com/nomadscale/terraform-provider-nomadscale/scaler"

// surplus is how many instances the next action down will stop. Nomad stops those
// with the highest indexes, so new requests are kept off them: see
// selection.Pool.Fence.
func surplus(p *scaler.Policy, d scaler.Decision) int {
	n := d.Desired - d.Goal
	if !d.Known || n <= 0 || d.Utilisation >= p.ScaleDownThreshold {
		return 0
	}
	if p.ScaleDownStep > 0 {
		n = min(n, p.ScaleDownStep)
	}
	return n
}
