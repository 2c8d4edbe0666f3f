package gateway

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// placeGrace is how long Nomad may lack room before nobody waits for it any
// more: what one app gives up, another gets.
const placeGrace = time.Second

// attendInterval is how often requests that wait are looked after.
const attendInterval = time.Second

// failedInstance is an instance that ended in failure and has not been replaced.
type failedInstance struct {
	nomad.Instance
	// retry is when Nomad replaces it, if that is known.
	retry time.Time
}

// unplaced is what keeps Nomad from placing instances of an app: an evaluation
// that waits for room since a time.
type unplaced struct {
	evaluation, why string
	since           time.Time
}

// startFailure is why no instance is going to be ready.
type startFailure struct {
	// of is the instance or evaluation that failed; "" when none has.
	of, why string
	// next is when Nomad tries again, or when a request is let wait again to see
	// whether it starts.
	next time.Time
}

// startFailure is what has become of the start of instances. While one is ready,
// or starts and has not failed for good, that is no failure. An instance that
// Nomad restarts has start_timeout to come up. The caller holds the mutex.
func (a *app) startFailure(now time.Time) (f startFailure) {
	p := a.policy.Load()
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
	for _, i := range a.instances {
		switch {
		case i.state == api.Draining:
		case i.state == api.Starting && (i.Failed || i.Failure != "" && now.Sub(i.since) > p.StartTimeout):
			consider(i.Instance, time.Time{})
		default:
			return startFailure{}
		}
	}
	for _, i := range a.failed {
		consider(i.Instance, i.retry)
	}
	if a.unplaced.why != "" && now.Sub(a.unplaced.since) >= placeGrace {
		f = startFailure{of: a.unplaced.evaluation, why: a.unplaced.why}
	}
	return f
}

// checkStart refuses whoever waits when a start has failed. Who begins to wait
// later stays until the next one has. The caller holds the mutex.
func (a *app) checkStart(now time.Time) {
	f := a.startFailure(now)
	if f.of == a.failing.of {
		a.failing.why, a.failing.next = f.why, later(a.failing.next, f.next)
		return
	}
	a.failing = f
	if f.of == "" {
		return
	}
	a.failing.next = later(f.next, now.Add(a.startTime(a.policy.Load())))
	a.log.Warn("no instance starts", "error", f.why, "next", a.failing.next)
	a.refuseWaiting(a.startRefusal(now))
}

// startFailed refuses a request while instances fail to start. But now and then
// one is let wait, for what Nomad says may be out of date. The caller holds the
// mutex.
func (a *app) startFailed(p *scaler.Policy) error {
	now := a.gateway.now()
	a.checkStart(now)
	switch {
	case a.failing.of == "":
		return nil
	case now.Before(a.failing.next):
		return a.startRefusal(now)
	default:
		a.failing.next = now.Add(a.startTime(p))
		return nil
	}
}

func (a *app) startRefusal(now time.Time) *api.Refusal {
	return &api.Refusal{
		Cause: api.CauseStartFailed, Message: "no instance starts: " + a.failing.why,
		RetryAfter: seconds(a.failing.next.Sub(now)),
	}
}

// block takes over what keeps Nomad from placing instances.
func (a *app) block(u unplaced) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unplaced = u
	a.checkStart(a.gateway.now())
}

// attend looks after requests that wait, for as long as there are any: time makes
// a start a failure, and Nomad may have forgotten the count. The caller holds the
// mutex.
func (a *app) attend() {
	if a.attended {
		return
	}
	a.attended = true
	a.gateway.work.Go(func() {
		tick := time.NewTicker(attendInterval)
		defer tick.Stop()
		for a.attendOnce() {
			select {
			case <-a.gateway.ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// attendOnce tells whether requests still wait.
func (a *app) attendOnce() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.gateway.now()
	a.checkStart(now)
	if a.attended = a.queue.length > 0 && !a.removed; a.attended {
		a.want(now)
	}
	return a.attended
}
