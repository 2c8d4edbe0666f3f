package backend

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// coldStart follows a start from zero. Each phase ends once, in order. A phase
// whose end was not seen lasts no time.
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

func (s *coldStart) noteDecision(at time.Time) { s.note(&s.decided, at) }

func (s *coldStart) notePlacement(at time.Time) { s.note(&s.placed, at) }

func (s *coldStart) noteReady(at time.Time) { s.note(&s.ready, at) }

// note notes a moment of a start that is under way, once.
func (s *coldStart) note(moment *time.Time, at time.Time) {
	if !s.arrived.IsZero() && moment.IsZero() {
		*moment = at
	}
}

// abandon forgets a start that no request waits for any more.
func (s *coldStart) abandon() {
	if s.ready.IsZero() {
		*s = coldStart{last: s.last}
	}
}

// end notes the head of the first answer and returns how long all phases took; nil
// when no start has come that far.
func (s *coldStart) end(at time.Time) *api.ColdStart {
	if s.ready.IsZero() {
		return nil
	}
	// Nomad reports the allocation before it answers the scale call.
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

// phases lists the durations in seconds by the name that metrics give them.
func phases(c *api.ColdStart) map[string]float64 {
	return map[string]float64{"decide": c.Decide, "place": c.Place, "ready": c.Ready, "first_byte": c.FirstByte, "total": c.Total}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
