package backend

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// placementGrace is how long Nomad may lack room before requests stop waiting for
// it: what one app gives up, another gets.
const placementGrace = time.Second

// PlacementFailure is what keeps Nomad from placing instances of an app: an
// evaluation that has been waiting for room since a time. The zero value is none.
type PlacementFailure struct {
	Evaluation, Why string
	Since           time.Time
}

// startFailure is why no instance will be ready.
type startFailure struct {
	// of is the instance or evaluation that failed; "" when none has.
	of, why string
	// next is when Nomad tries again, or when a request may wait again to see
	// whether an instance starts.
	next time.Time
}

// starts is what is known of the starts of an app's instances. The app's mutex
// guards it.
type starts struct {
	app       *App
	placement PlacementFailure
	failure   startFailure
	time      startTime
	cold      coldStart
}

// currentLocked is why no instance will be ready now. It is no failure while one
// is ready, or starts and has not failed for good. An instance that Nomad restarts
// has start_timeout to come up.
func (s *starts) currentLocked(now time.Time) (f startFailure) {
	p := s.app.Policy()
	if p == nil {
		return f
	}
	newest := uint64(0)
	consider := func(i nomad.Instance, next time.Time) {
		if i.ModifyIndex >= newest {
			newest = i.ModifyIndex
			f = startFailure{of: i.ID, why: i.Failure, next: next}
		}
	}
	for i := range s.app.instances.All() {
		switch {
		case i.State == api.Draining:
		case i.State == api.Starting && (i.Failed || i.Failure != "" && now.Sub(i.Since) > p.StartTimeout):
			consider(i.Instance, time.Time{})
		default:
			return startFailure{}
		}
	}
	for i := range s.app.instances.Failed() {
		consider(i.Instance, i.Retry)
	}
	if s.placement.Why != "" && now.Sub(s.placement.Since) >= placementGrace {
		f = startFailure{of: s.placement.Evaluation, why: s.placement.Why}
	}
	return f
}

// checkLocked rejects the requests that wait when a start has failed. Those that
// come later wait until the next start has failed.
func (s *starts) checkLocked(now time.Time) {
	f := s.currentLocked(now)
	if f.of == s.failure.of {
		s.failure.why, s.failure.next = f.why, later(s.failure.next, f.next)
		return
	}
	s.failure = f
	if f.of == "" {
		return
	}
	s.failure.next = later(f.next, now.Add(s.time.expected(s.app.Policy())))
	s.app.log.Warn("no instance starts", "error", f.why, "next", s.failure.next)
	s.app.waiting.rejectAllLocked(s.refusal(now))
}

// admitLocked refuses a request while instances fail to start. From time to time
// one request may wait, because what Nomad says may be out of date.
func (s *starts) admitLocked(p *scaler.Policy) error {
	now := s.app.config.Now()
	s.checkLocked(now)
	switch {
	case s.failure.of == "":
		return nil
	case now.Before(s.failure.next):
		return s.refusal(now)
	default:
		s.failure.next = now.Add(s.time.expected(p))
		return nil
	}
}

func (s *starts) refusal(now time.Time) *api.Refusal {
	return &api.Refusal{
		Cause: api.CauseStartFailed, Message: "no instance starts: " + s.failure.why,
		RetryAfter: api.RetryAfter(s.failure.next.Sub(now)),
	}
}
