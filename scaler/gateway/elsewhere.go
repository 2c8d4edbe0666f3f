package gateway

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// elsewhere is the load of an app at all other gateways.
type elsewhere struct {
	requestsPerMinute, concurrency int
	inFlight                       map[string]int
}

// add counts a part, from 0 to 1, of what a gateway has reported. What is in
// part a request counts as one.
func (e *elsewhere) add(l api.PeerLoad, part float64) {
	of := func(n int) int { return int(math.Ceil(float64(n) * part)) }
	e.requestsPerMinute += of(l.RequestsPerMinute)
	e.concurrency += of(l.Concurrency)
	for id, n := range l.InFlight {
		if e.inFlight == nil {
			e.inFlight = make(map[string]int)
		}
		e.inFlight[id] += of(n)
	}
}

func (e *elsewhere) none() bool {
	return e.requestsPerMinute == 0 && e.concurrency == 0 && e.inFlight == nil
}

// hear takes over what other gateways have of the app; joined tells that there is
// a new one.
func (a *app) hear(e *elsewhere, arrivals []float64, joined bool, now time.Time) {
	if e == nil {
		e = new(elsewhere)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.policy.Load(); p != nil && p.RateLimit > 0 {
		a.share = share(a.arrivals, arrivals)
		a.limiter.Store(limiterFor(p, a.limiter.Load(), a.share, now))
	}
	quiet := e.none() && a.elsewhere.none()
	a.elsewhere = *e
	if joined {
		a.slots.share()
	}
	for _, i := range a.instances {
		if !quiet {
			a.pool.SetRemoteLoad(i.slot, e.inFlight[i.ID])
			if a.slots.limit > 0 && i.slot.InFlight()+e.inFlight[i.ID] > a.slots.limit {
				a.slots.overlap = true
				a.seek()
			}
		}
		a.drained(i.slot)
	}
}

// countArrivals takes what has come since it was called last into the rate of
// arrivals, of which half is that of the last second.
func (a *app) countArrivals(since time.Duration) {
	n := float64(a.arrived.Swap(0))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrivals = (a.arrivals + n/max(since, time.Millisecond).Seconds()) / 2
	// What is left of a rush is none.
	if a.arrivals < .01 {
		a.arrivals = 0
	}
}
