package cluster

import "github.com/nomadscale/terraform-provider-nomadscale/scaler"

// ScaleOrder is how many other gateways with requests for an app scale it before
// a process does. Gateways take turns by it, because Nomad accepts two scale calls
// that come at once.
func (m *Membership) ScaleOrder(app scaler.AppID, process string) (n int) {
	own := precedence(app, process)
	for other, one := range m.members {
		if one.answers && one.apps[app].Concurrency > 0 && precedence(app, other) > own {
			n++
		}
	}
	return n
}

// precedence orders the gateways differently for each app.
func precedence(app scaler.AppID, process string) uint64 { return hash(app.String() + " " + process) }
