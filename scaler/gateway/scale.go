package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

const (
	// settleTick and settleLimit bound how long a burst is given to show its
	// size, so that it takes one call: until no more comes within a tick.
	settleTick  = 10 * time.Millisecond
	settleLimit = 30 * time.Millisecond
	// retryPause follows a refusal of Nomad's that is soon over, and errorPause
	// a call that failed.
	retryPause = 250 * time.Millisecond
	errorPause = time.Second
	// turnPause is what a gateway has for its call before the next one takes its
	// turn: Nomad accepts two calls that come at once.
	turnPause = 100 * time.Millisecond
	// desiredTrust is how long a count is trusted that Nomad has not placed.
	desiredTrust = 5 * time.Second
	// callTimeout bounds each call to Nomad.
	callTimeout = 5 * time.Second
)

// expected is how many instances there are going to be, as far as is known: those
// that Nomad has placed and, for a while, those that it has only been asked for.
// The caller holds the mutex.
func (a *app) expected(now time.Time) int {
	if now.Sub(a.desiredAt) > desiredTrust {
		return a.live
	}
	return max(a.desired, a.live)
}

// decide asks for the count, with any override applied. Only the newest sample
// matters on the way up, which is the gateway's; the strategy plugin looks at the
// rest.
func (a *app) decide(p *scaler.Policy, now time.Time, desired int, load float64, lastUp time.Time) scaler.Decision {
	o := scaler.Observation{Now: now, Desired: desired, LastUp: lastUp}
	switch {
	case p.Metric != scaler.Custom:
		o.Series = []scaler.Sample{{Time: now, Value: load}}
	case desired == 0 && load > 0:
		// How much load there is, only the check's own query tells; that there
		// is some, a request does.
		o.Series = []scaler.Sample{{Time: now, Value: math.SmallestNonzeroFloat64}}
	}
	return scaler.Decide(a.gateway.overrides.Apply(*p, now), o)
}

// want grows the app if the load calls for more than is expected, and turns new
// requests away from the instances that Nomad would stop if it calls for fewer.
// The caller holds the mutex.
func (a *app) want(now time.Time) {
	p := a.policy.Load()
	if p == nil || a.removed {
		return
	}
	load := a.demand(now)
	d := a.decide(p, now, a.expected(now), load, time.Time{})
	a.pool.Fence(surplus(p, d))
	if d.Direction == scaler.Up && !a.growing {
		a.growing = true
		select {
		case <-a.nudge:
		default:
		}
		a.gateway.work.Go(func() { a.grow(load) })
	}
}

// heldAtZero tells whether an override keeps an app from starting.
func heldAtZero(d scaler.Decision) bool { return d.Rule == scaler.RuleHeld && d.Desired == 0 }

// surplus is how many instances the next action down is going to stop.
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

// poke wakes the goroutine that grows the app, for what it waits for may have
// changed. The caller holds the mutex.
func (a *app) poke() {
	select {
	case a.nudge <- struct{}{}:
	default:
	}
}

// grow raises the count until it is what the load calls for. There is at most
// one a time for each app. It never lowers the count: that is the strategy
// plugin's.
func (a *app) grow(load float64) {
	ctx := a.gateway.ctx
	a.settle(ctx, load)
	a.gateway.peers.refresh(ctx)
	if ahead := a.gateway.peers.known().ahead(a.id, a.gateway.process); ahead > 0 {
		pause(ctx, time.Duration(ahead)*turnPause)
	}
	for {
		pause, done := a.raise(ctx, load)
		if done {
			return
		}
		load = 0
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-a.nudge:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// settle waits while more requests keep coming.
func (a *app) settle(ctx context.Context, seen float64) {
	for range int(settleLimit / settleTick) {
		timer := time.NewTimer(settleTick)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		a.mu.Lock()
		load := a.demand(a.gateway.now())
		a.mu.Unlock()
		if load <= seen {
			return
		}
		seen = load
	}
}

// raise takes one step: it reads what Nomad has, decides and scales. It is done
// when nothing more is called for; until then, pause is when to look again. At
// zero, load stands for requests that could not wait.
func (a *app) raise(ctx context.Context, load float64) (pause time.Duration, done bool) {
	p, needed := a.needed(load)
	if !needed {
		return 0, true
	}
	g := a.gateway
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// One of them may hold the count.
	if err := g.overrides.Wait(ctx); err != nil {
		return a.fail(err), false
	}
	status, err := g.config.Nomad.Status(ctx, p.App)
	if err != nil {
		return a.fail(err), false
	}
	d := a.judge(p, status, load)
	switch {
	case status.Stopped:
		return errorPause, false
	case d.Direction != scaler.Up && d.Wait > 0:
		return d.Wait, false
	case d.Direction != scaler.Up:
		return retryPause, false
	}
	err = g.config.Nomad.Scale(ctx, p.App, status, d)
	g.metrics.scaleCalls.WithLabelValues(a.name, result(err)).Inc()
	if err != nil {
		return a.fail(err), false
	}
	a.log.Info("scaled", "from", d.Desired, "to", d.Count, "rule", d.Rule, "reason", d.Reason())
	a.mu.Lock()
	defer a.mu.Unlock()
	now := g.now()
	a.desired, a.desiredAt, a.scaleErr = d.Count, now, nil
	a.cold.decide(now)
	return 0, false
}

// needed tells whether the load still calls for more than is expected. If it
// does not, nobody is growing the app from here on.
func (a *app) needed(load float64) (*scaler.Policy, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, now := a.policy.Load(), a.gateway.now()
	desired := a.expected(now)
	d := a.decide(p, now, desired, a.pressing(now, desired, load), time.Time{})
	a.growing = !a.removed && d.Direction == scaler.Up
	if heldAtZero(d) {
		a.refuse("no instance runs, and the app is " + d.Reason())
	}
	return p, a.growing
}

// pressing is the load now and, at zero, at least that of requests that could
// not wait. The caller holds the mutex.
func (a *app) pressing(now time.Time, desired int, load float64) float64 {
	current := a.demand(now)
	if desired == 0 {
		return max(current, load)
	}
	return current
}

// judge decides on what Nomad has, by the load at this moment, and keeps it.
func (a *app) judge(p *scaler.Policy, status nomad.Status, load float64) scaler.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.gateway.now()
	d := a.decide(p, now, status.Desired, a.pressing(now, status.Desired, load), status.History.LastUp)
	a.gateway.metrics.decisions.WithLabelValues(a.name, string(d.Rule)).Inc()
	a.desired, a.desiredAt = status.Desired, now
	a.decisions.add(d, now)
	a.scaleErr = nil
	if status.Stopped && a.live == 0 {
		a.refuse("no instance runs, and the job has been stopped")
	}
	return d
}

// fail notes why the count could not be raised and returns when to try again.
func (a *app) fail(err error) (pause time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scaleErr = err
	switch {
	case errors.Is(err, nomad.ErrLocked), errors.Is(err, nomad.ErrConflict):
		return retryPause
	case (errors.Is(err, nomad.ErrNotFound) || errors.Is(err, nomad.ErrDenied)) && a.live == 0:
		a.refuse(fmt.Sprintf("no instance runs, and none can be started: %v", err))
	}
	a.log.Warn("the count cannot be raised", "error", err)
	return errorPause
}

// result names the outcome of a call to scale, for metrics.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, nomad.ErrLocked):
		return "locked"
	case errors.Is(err, nomad.ErrConflict):
		return "conflict"
	default:
		return "error"
	}
}
