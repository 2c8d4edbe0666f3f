package gateway

import (
	"hash/fnv"
	"slices"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// view is what the gateway knows of the others at a moment.
type view struct {
	// members are the processes of the others that are there.
	members map[string]member
	gone    map[string]bool
	// complete tells that every gateway that there is answers.
	complete bool
}

// member is a gateway in a view.
type member struct {
	address string
	answers bool
	// part of its last report counts, from 0 to 1.
	part float64
	apps map[scaler.AppID]api.PeerLoad
}

// known returns what is known of the others now; nothing for a gateway that
// looks for none.
func (s *peers) known() *view {
	if s == nil {
		return &view{complete: true}
	}
	return s.view.Load()
}

// alone tells whether there is no other gateway.
func (s *peers) alone() bool {
	v := s.known()
	return v.complete && len(v.members) == 0
}

// drained tells whether no other gateway has a request at an allocation that
// Nomad is stopping, nor sends one there.
func (v *view) drained(app scaler.AppID, allocation string) bool {
	for _, m := range v.members {
		if !slices.Contains(m.apps[app].Drained, allocation) {
			return false
		}
	}
	return v.complete
}

// ahead is how many of the other gateways with requests for an app have their
// turn to scale it before a process.
func (v *view) ahead(app scaler.AppID, process string) (n int) {
	own := precedence(app, process)
	for other, m := range v.members {
		if m.answers && m.apps[app].Concurrency > 0 && precedence(app, other) > own {
			n++
		}
	}
	return n
}

// precedence orders the gateways, another way for every app.
func precedence(app scaler.AppID, process string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(app.String() + " " + process))
	return h.Sum64()
}
