package cluster

import (
	"math"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// RemoteLoad is the load of an app at all other gateways together, with the fields
// of an [api.PeerLoad].
type RemoteLoad struct {
	RequestsPerMinute, Concurrency int
	// InFlight is nil when no instance has a request.
	InFlight map[string]int
}

// add counts a part, from 0 to 1, of what a gateway has reported. A fraction of a
// request counts as one.
func (l *RemoteLoad) add(reported api.PeerLoad, weight float64) {
	weighted := func(n int) int { return int(math.Ceil(float64(n) * weight)) }
	l.RequestsPerMinute += weighted(reported.RequestsPerMinute)
	l.Concurrency += weighted(reported.Concurrency)
	for id, n := range reported.InFlight {
		if l.InFlight == nil {
			l.InFlight = make(map[string]int)
		}
		l.InFlight[id] += weighted(n)
	}
}

// None reports whether the other gateways have no load.
func (l RemoteLoad) None() bool {
	return l.RequestsPerMinute == 0 && l.Concurrency == 0 && l.InFlight == nil
}
