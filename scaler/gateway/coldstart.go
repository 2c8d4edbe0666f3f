package gateway

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// coldStart follows a start from zero. Each phase ends once, in order; one that
// was not seen to end lasts no time.
type coldStart struct {
	arrived, decided, placed, ready time.Time
	last                            *api.ColdStart
}

// begin notes the first request that found no instance.
func (s *coldStart) begin(at time.Time) {
	if s.arrived.IsZero() {
		*s = coldStart{arrived: at, last: s.last}
	}
}

func (s *coldStart) decide(at time.Time) { mark(&s.decided, s.arrived, at) }

func (s *coldStart) place(at time.Time) { mark(&s.placed, s.arrived, at) }

func (s *coldStart) readied(at time.Time) { mark(&s.ready, s.arrived, at) }

// mark notes a moment of a start that is under way, once.
func mark(moment *time.Time, arrived, at time.Time) {
	if !arrived.IsZero() && moment.IsZero() {
		*moment = at
	}
}

// abandon forgets a start that nobody waits for any more.
func (s *coldStart) abandon() {
	if s.ready.IsZero() {
		*s = coldStart{last: s.last}
	}
}

// end notes the head of the first answer and returns how long it all took; nil
// when no start has come as far as that.
func (s *coldStart) end(at time.Time) *api.ColdStart {
	if s.ready.IsZero() {
		return nil
	}
	// Nomad tells of the allocation before it answers the call to scale.
	placed := later(s.arrived, s.placed)
	decided := later(s.arrived, s.decided)
	if decided.After(placed) {
		decided = placed
	}
	ready := later(placed, s.ready)
	*s = coldStart{last: &api.ColdStart{
		Time:      s.arrived,
		Decide:    decided.Sub(s.arrived).Seconds(),
		Place:     placed.Sub(decided).Seconds(),
		Ready:     ready.Sub(placed).Seconds(),
		FirstByte: at.Sub(ready).Seconds(),
		Total:     at.Sub(s.arrived).Seconds(),
	}}
	return s.last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// phases lists the durations by the name that metrics give them.
func phases(c *api.ColdStart) map[string]float64 {
	return map[string]float64{"decide": c.Decide, "place": c.Place, "ready": c.Ready, "first_byte": c.FirstByte, "total": c.Total}
}

// waking notes a request that finds no instance. The caller holds the mutex.
func (a *app) waking(arrived time.Time) {
	if a.live == 0 {
		a.cold.begin(arrived)
	}
}

// firstByte notes the head of an answer to a request that was held.
func (a *app) firstByte(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.cold.end(at)
	if c == nil {
		return
	}
	for phase, took := range phases(c) {
		a.gateway.metrics.coldStart.WithLabelValues(a.name, phase).Observe(took)
	}
	a.log.Info("started from zero", "total", c.Total, "decide", c.Decide, "place", c.Place, "ready", c.Ready, "first_byte", c.FirstByte)
}
