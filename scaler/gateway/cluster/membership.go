package cluster

import (
	"iter"
	"slices"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Membership is what a gateway knows of the others at a moment. It never changes.
type Membership struct {
	// members are the other gateways that count, by process.
	members map[string]member
	// gone are the processes that ended lately.
	gone     map[string]bool
	loads    map[scaler.AppID]RemoteLoad
	complete bool
	joined   bool
}

// member is another gateway.
type member struct {
	address string
	answers bool
	ending  bool
	// weight is the part of its last report that counts, from 0 to 1.
	weight float64
	apps   map[scaler.AppID]api.PeerLoad
}

// add counts a gateway with its report, unless the process is a member already,
// under another address.
func (m *Membership) add(r *api.PeerReport, one member) {
	if _, again := m.members[r.Process]; again {
		return
	}
	one.ending, one.apps = r.Ending, r.Apps
	m.members[r.Process] = one
	m.complete = m.complete && one.answers
	for app, l := range r.Apps {
		m.addLoad(app, l, one.weight)
	}
}

// addGone counts a process that has ended. Of its requests only those of the
// trailing minute count.
func (m *Membership) addGone(process string, apps map[scaler.AppID]api.PeerLoad, weight float64) {
	m.gone[process] = true
	for app, l := range apps {
		m.addLoad(app, api.PeerLoad{RequestsPerMinute: l.RequestsPerMinute}, weight)
	}
}

func (m *Membership) addLoad(app scaler.AppID, l api.PeerLoad, weight float64) {
	sum := m.loads[app]
	sum.add(l, weight)
	m.loads[app] = sum
}

// hasMoreThan reports whether some member is not one of the snapshot before.
func (m *Membership) hasMoreThan(before *Membership) bool {
	for process := range m.members {
		if _, known := before.members[process]; !known {
			return true
		}
	}
	return false
}

// answering yields the process and the address of each member that answers.
func (m *Membership) answering() iter.Seq2[string, string] {
	return func(yield func(process, address string) bool) {
		for process, one := range m.members {
			if one.answers && !yield(process, one.address) {
				return
			}
		}
	}
}

// Alone reports whether there is certainly no other gateway.
func (m *Membership) Alone() bool { return m.complete && len(m.members) == 0 }

// Complete reports whether every gateway that there is answers.
func (m *Membership) Complete() bool { return m.complete }

// Size is the number of the other gateways, including those whose last report
// still counts.
func (m *Membership) Size() int { return len(m.members) }

// Joined reports whether some member was not in the snapshot before this one.
func (m *Membership) Joined() bool { return m.joined }

// Load is the load of an app at all other gateways. Its map must not be changed.
func (m *Membership) Load(app scaler.AppID) RemoteLoad { return m.loads[app] }

// Arrivals are the requests per second that come for an app to each other gateway
// that takes new ones.
func (m *Membership) Arrivals(app scaler.AppID) []float64 {
	var all []float64
	for _, one := range m.members {
		if !one.ending {
			all = append(all, one.apps[app].Arrivals*one.weight)
		}
	}
	return all
}

// Drained reports whether no other gateway has a request at an allocation that
// Nomad is stopping, or will send one there.
func (m *Membership) Drained(app scaler.AppID, allocation string) bool {
	for _, one := range m.members {
		if !slices.Contains(one.apps[app].Drained, allocation) {
			return false
		}
	}
	return m.complete
}
