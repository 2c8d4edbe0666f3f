package backend

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
	// burstTick and burstLimit bound how long a burst is given to show its size, so
	// that it takes one call: until no more comes within a tick.
	burstTick  = 10 * time.Millisecond
	burstLimit = 30 * time.Millisecond
	// refusedPause follows a refusal of Nomad's that is soon over, and errorPause a
	// call that failed.
	refusedPause = 250 * time.Millisecond
	errorPause   = time.Second
	// turnPause is how long a gateway has for its call before the next one in the
	// scale order calls: Nomad accepts two calls that come at once.
	turnPause = 100 * time.Millisecond
	// desiredTrust is how long a count is trusted that Nomad has not placed.
	desiredTrust = 5 * time.Second
)

// growth is how an app grows. It never lowers the count: that is the strategy
// plugin's part. The app's mutex guards it. No call to Nomad is made under it.
type growth struct {
	app *App
	// desired is Nomad's count when it was last read or written, at desiredAt; 0
	// when that was before instances stopped.
	desired   int
	desiredAt time.Time
	// running reports that a goroutine is raising the count; wake wakes it.
	running   bool
	wake      chan struct{}
	decisions decisions
	// err is why the last call failed; nil after one that succeeded.
	err error
}

// expectedLocked is how many instances there will be, as far as is known: those
// that Nomad has placed and, for a while, those that it has only been asked for.
func (s *growth) expectedLocked(now time.Time) int {
	live := s.app.instances.Live()
	if now.Sub(s.desiredAt) > desiredTrust {
		return live
	}
	return max(s.desired, live)
}

// decideLocked asks for the count, with any override applied. Only the newest
// sample matters on the way up, and the gateway has it; the strategy plugin looks
// at the rest.
func (s *growth) decideLocked(p *scaler.Policy, now time.Time, desired int, load float64, lastUp time.Time) scaler.Decision {
	o := scaler.Observation{Now: now, Desired: desired, LastUp: lastUp}
	switch {
	case p.Metric != scaler.Custom:
		o.Series = []scaler.Sample{{Time: now, Value: load}}
	case desired == 0 && load > 0:
		// How much load there is, only the check's own query tells. A request tells
		// that there is some.
		o.Series = []scaler.Sample{{Time: now, Value: math.SmallestNonzeroFloat64}}
	}
	return scaler.Decide(*s.app.config.Overrides.Apply(p, now), o)
}

// demand is the app's load at all gateways in the metric of its policy.
func (s *growth) demand() float64 {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	return s.demandLocked(s.app.config.Now())
}

// demandLocked is the app's load at all gateways in the metric of its policy, and
// the number of requests for a custom one.
func (s *growth) demandLocked(now time.Time) float64 {
	p := s.app.Policy()
	if p == nil {
		return 0
	}
	load := s.app.meter.Snapshot(now)
	load.RequestsPerMinute += s.app.sharing.remote.RequestsPerMinute
	load.Concurrency += s.app.sharing.remote.Concurrency
	n, _ := load.In(p.Metric)
	return n
}

// maybeUpLocked grows the app if the load calls for more than is expected. If it
// calls for fewer, it turns new requests away from the instances that Nomad would
// stop.
func (s *growth) maybeUpLocked(now time.Time) {
	p := s.app.Policy()
	if p == nil || s.app.removed {
		return
	}
	load := s.demandLocked(now)
	d := s.decideLocked(p, now, s.expectedLocked(now), load, time.Time{})
	s.app.instances.Pool.Fence(surplus(p, d))
	if d.Direction == scaler.Up && !s.running {
		s.running = true
		select {
		case <-s.wake:
		default:
		}
		s.app.config.Go(func() { s.loop(s.app.config.Context, load) })
	}
}

// heldAtZero reports whether an override keeps an app from starting.
func heldAtZero(d scaler.Decision) bool { return d.Rule == scaler.RuleHeld && d.Desired == 0 }

// wakeLocked wakes the goroutine that grows the app, because what it waits for may
// have changed.
func (s *growth) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// shrunkLocked notes that there are fewer instances than there were.
func (s *growth) shrunkLocked() {
	s.desired = 0
	s.wakeLocked()
	if s.app.waiting.queue.length() > 0 {
		s.maybeUpLocked(s.app.config.Now())
	}
}

// loop raises the count until it is what the load calls for. There is at most one
// loop for each app.
func (s *growth) loop(ctx context.Context, load float64) {
	s.awaitBurst(ctx, load)
	members := s.app.config.Cluster
	members.Refresh(ctx)
	if before := members.Snapshot().ScaleOrder(s.app.ID, s.app.config.Process); before > 0 {
		pause(ctx, time.Duration(before)*turnPause)
	}
	for {
		next, done := s.once(ctx, load)
		if done {
			return
		}
		load = 0
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// awaitBurst waits while more requests keep coming.
func (s *growth) awaitBurst(ctx context.Context, seen float64) {
	for range int(burstLimit / burstTick) {
		if !pause(ctx, burstTick) {
			return
		}
		load := s.demand()
		if load <= seen {
			return
		}
		seen = load
	}
}

// once takes one step: it reads what Nomad has, decides and scales. It is done when
// nothing more is called for; until then, next is when to look again. At zero, load
// stands for requests that could not wait.
func (s *growth) once(ctx context.Context, load float64) (next time.Duration, done bool) {
	p, needed := s.stillNeeded(load)
	if !needed {
		return 0, true
	}
	c := s.app.config
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// An override may hold the count.
	if err := c.Overrides.Wait(ctx); err != nil {
		return s.fail(err), false
	}
	status, err := c.Nomad.Status(ctx, s.app.ID)
	if err != nil {
		return s.fail(err), false
	}
	d := s.decideAndRecord(p, status, load)
	switch {
	case status.Stopped:
		return errorPause, false
	case d.Direction != scaler.Up && d.Wait > 0:
		return d.Wait, false
	case d.Direction != scaler.Up:
		return refusedPause, false
	}
	err = c.Nomad.Scale(ctx, s.app.ID, status, d)
	c.Metrics.ScaleCall(s.app.ID, scaleResult(err))
	if err != nil {
		return s.fail(err), false
	}
	s.app.log.Info("scaled", "from", d.Desired, "to", d.Count, "rule", d.Rule, "reason", d.Reason())
	s.scaled(d.Count)
	return 0, false
}

// scaled notes that Nomad has accepted a count.
func (s *growth) scaled(count int) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	now := s.app.config.Now()
	s.desired, s.desiredAt, s.err = count, now, nil
	s.app.starts.cold.noteDecision(now)
}

// stillNeeded reports whether the load still calls for more than is expected. If it
// does not, the loop has ended.
func (s *growth) stillNeeded(load float64) (*scaler.Policy, bool) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	p, now := s.app.Policy(), s.app.config.Now()
	desired := s.expectedLocked(now)
	d := s.decideLocked(p, now, desired, s.effectiveLoadLocked(now, desired, load), time.Time{})
	s.running = !s.app.removed && d.Direction == scaler.Up
	if heldAtZero(d) {
		s.app.waiting.rejectNotStartedLocked("no instance runs, and the app is " + d.Reason())
	}
	return p, s.running
}

// effectiveLoadLocked is the load now and, at zero, at least that of requests that
// could not wait.
func (s *growth) effectiveLoadLocked(now time.Time, desired int, load float64) float64 {
	current := s.demandLocked(now)
	if desired == 0 {
		return max(current, load)
	}
	return current
}

// decideAndRecord decides on what Nomad has, by the load at this moment, and keeps
// the decision.
func (s *growth) decideAndRecord(p *scaler.Policy, status nomad.Status, load float64) scaler.Decision {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	now := s.app.config.Now()
	d := s.decideLocked(p, now, status.Desired, s.effectiveLoadLocked(now, status.Desired, load), status.History.LastUp)
	s.app.config.Metrics.Decision(s.app.ID, d.Rule)
	s.desired, s.desiredAt = status.Desired, now
	s.decisions.add(d, now)
	s.err = nil
	if status.Stopped && s.app.instances.Live() == 0 {
		s.app.waiting.rejectNotStartedLocked("no instance runs, and the job has been stopped")
	}
	return d
}

// fail notes why the count could not be raised, and returns when to try again.
func (s *growth) fail(err error) (next time.Duration) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	s.err = err
	switch {
	case errors.Is(err, nomad.ErrLocked), errors.Is(err, nomad.ErrConflict):
		return refusedPause
	case (errors.Is(err, nomad.ErrNotFound) || errors.Is(err, nomad.ErrDenied)) && s.app.instances.Live() == 0:
		s.app.waiting.rejectNotStartedLocked(fmt.Sprintf("no instance runs, and none can be started: %v", err))
	}
	s.app.log.Warn("the count cannot be raised", "error", err)
	return errorPause
}

// scaleResult names the result of a scale call, for metrics.
func scaleResult(err error) string {
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
