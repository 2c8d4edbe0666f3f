package backend

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// leftInterval is how often it is checked whether the client of a request that
// waits has left.
const leftInterval = time.Second

// errNoRoom is what assigning returns when a request has to wait.
var errNoRoom = errors.New("no instance has room")

// errClientLeft is what a request gets whose client has left.
var errClientLeft = &api.Refusal{Cause: api.CauseClientLeft, Message: "the client has left"}

// waiting is the requests of an app that wait for room. The app's mutex guards it.
type waiting struct {
	app   *App
	queue queue
	// watched reports that a goroutine watches the queue.
	watched bool
}

// tryAssign assigns an instance to a request unless others wait already.
func (q *waiting) tryAssign(r *Request) (assignment, error) {
	q.app.mu.Lock()
	defer q.app.mu.Unlock()
	if q.queue.length() > 0 {
		return assignment{}, errNoRoom
	}
	if i := q.app.instances.Get(r.Failed); i != nil && i.State == api.Ready {
		q.app.instances.Pool.SetReady(i.ID, false)
		at, err := q.assignLocked(r.Key)
		q.app.instances.Pool.SetReady(i.ID, true)
		if err == nil {
			return at, nil
		}
	}
	return q.assignLocked(r.Key)
}

// assignLocked takes room at an instance.
func (q *waiting) assignLocked(key string) (assignment, error) {
	instance, err := q.app.instances.Pool.Acquire(key)
	if err == nil {
		return assignment{instance, instance.Address}, nil
	}
	var several *selection.SeveralError
	if !errors.As(err, &several) {
		return assignment{}, errNoRoom
	}
	refusal := &api.Refusal{Cause: api.CauseSeveralInstances, Message: err.Error()}
	for _, id := range several.IDs {
		refusal.Instances = append(refusal.Instances, q.app.instances.Get(id).Ref())
	}
	return assignment{}, refusal
}

// wait returns when the request has room, or why it gets none.
func (q *waiting) wait(ctx context.Context, r *Request, began time.Time) (_ assignment, waited time.Duration, _ error) {
	w, err := q.enqueue(r)
	if err != nil {
		return assignment{}, 0, err
	}
	defer func() { waited = q.app.config.Now().Sub(began) }()
	timer := time.NewTimer(r.Policy.StartTimeout - began.Sub(r.Arrived))
	defer timer.Stop()
	var check <-chan time.Time
	left := r.Client.Left()
	if left != nil {
		ticker := time.NewTicker(leftInterval)
		defer ticker.Stop()
		check = ticker.C
	}
	for {
		select {
		case <-check:
			if !left() {
				continue
			}
		case <-ctx.Done():
		case granted := <-w.granted:
			return granted.assignment, 0, granted.err
		case <-timer.C:
			granted := q.leave(w)
			return granted.assignment, 0, granted.err
		}
		if granted := q.leave(w); granted.err == nil {
			q.release(granted.assignment, api.AttemptResult{})
		}
		return assignment{}, 0, errClientLeft
	}
}

// release gives room back, and judges the instance by the result of the attempt.
func (q *waiting) release(at assignment, r api.AttemptResult) {
	q.app.mu.Lock()
	defer q.app.mu.Unlock()
	q.app.instances.Pool.Release(at.instance)
	q.app.instances.Record(at.instance.ID, at.address, r)
	q.app.sharing.endDelayLocked(at.instance.ID)
	q.dispatchLocked()
}

// errNoBudget is what join returns when the gateway's budget has no room.
var errNoBudget = errors.New("the gateway's budget of waiting requests is used up")

// enqueue lets a request wait, or says why it may not.
func (q *waiting) enqueue(r *Request) (*waiter, error) {
	bytes := r.Client.Memory()
	w, err := q.join(r, bytes, false)
	if !errors.Is(err, errNoBudget) {
		return w, err
	}
	// Making room locks another app, and two apps at a time are never locked.
	if !q.app.config.Budget.makeRoom(q, bytes) {
		q.app.mu.Lock()
		defer q.app.mu.Unlock()
		return nil, q.gatewayFullLocked()
	}
	return q.join(r, bytes, true)
}

// join puts a request into the queue. Unless its part of the gateway's budget is
// paid already, join takes that; it gives a paid one back when it refuses.
func (q *waiting) join(r *Request, bytes int64, paid bool) (w *waiter, err error) {
	a, budget := q.app, q.app.config.Budget
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		if err != nil && paid {
			budget.give(q, bytes)
		}
	}()
	if err := q.failFastLocked(r.Policy); err != nil {
		return nil, err
	}
	if q.queue.length() >= r.Policy.MaxQueuedRequests {
		return nil, &api.Refusal{
			Cause: api.CauseQueueFull, RetryAfter: a.starts.time.retryAfter(r.Policy),
			Message: fmt.Sprintf("%d requests are waiting already, which is max_queued_requests", r.Policy.MaxQueuedRequests),
		}
	}
	if !paid && !budget.take(q, bytes) {
		return nil, errNoBudget
	}
	w = newWaiter(r.Key, bytes)
	if r.Failed != "" {
		q.queue.pushFirst(w)
	} else {
		q.queue.push(w)
	}
	a.meter.Enqueue()
	if a.instances.Live() == 0 {
		a.starts.cold.begin(r.Arrived)
	}
	q.watchLocked()
	a.growth.maybeUpLocked(a.config.Now())
	// Room may have come up since the request looked for it.
	q.dispatchLocked()
	return w, nil
}

// failFastLocked refuses a request when it is known that no instance will start.
func (q *waiting) failFastLocked(p *scaler.Policy) error {
	a := q.app
	if err := a.starts.admitLocked(p); err != nil {
		return err
	}
	if a.instances.Live() > 0 {
		return nil
	}
	refusal := &api.Refusal{Cause: api.CauseNotStarted, RetryAfter: a.starts.time.retryAfter(p)}
	lost, now := a.config.Unreachable(), a.config.Now()
	d := a.growth.decideLocked(p, now, a.growth.expectedLocked(now), 1, time.Time{})
	switch {
	case lost != nil:
		refusal.Cause = api.CauseNomadUnreachable
		refusal.Message = "no instance runs, and Nomad cannot be asked for one: " + lost.Error()
	case a.removed:
		refusal.Message = "the app has been removed"
	case !p.Enabled:
		refusal.Message = "no instance runs, and the app's scaling is disabled"
	case heldAtZero(d):
		refusal.Message = "no instance runs, and the app is " + d.Reason()
	default:
		return nil
	}
	return refusal
}

// leave ends the wait of a request. It may have been granted room at the last
// moment.
func (q *waiting) leave(w *waiter) grant {
	q.app.mu.Lock()
	defer q.app.mu.Unlock()
	if w.at == nil {
		return <-w.granted
	}
	q.removeLocked(w)
	if q.queue.length() == 0 {
		q.app.starts.cold.abandon()
	}
	p := q.app.Policy()
	return grant{err: &api.Refusal{
		Cause: api.CauseStartTimeout, RetryAfter: q.app.starts.time.retryAfter(p),
		Message: fmt.Sprintf("no instance had room within %s: %s", scaler.FormatDuration(p.StartTimeout), q.reasonLocked()),
	}}
}

// reasonLocked says what requests are waiting for.
func (q *waiting) reasonLocked() string {
	a := q.app
	ready := 0
	var failing error
	for i := range a.instances.All() {
		switch {
		case i.State == api.Ready:
			ready++
		case i.Failure != "":
			failing = fmt.Errorf("instance %s is not ready: %s", i.ID, i.Failure)
		case i.Err != nil:
			failing = fmt.Errorf("instance %s is not ready: %w", i.ID, i.Err)
		}
	}
	switch {
	case a.growth.err != nil:
		return a.growth.err.Error()
	case a.starts.failure.why != "":
		return a.starts.failure.why
	case failing != nil:
		return failing.Error()
	case ready > 0:
		return fmt.Sprintf("%d instances are busy", ready)
	case a.growth.desired > 0:
		return fmt.Sprintf("Nomad is asked to run %d and has placed none", a.growth.desired)
	default:
		return "Nomad has not started one"
	}
}

func (q *waiting) removeLocked(w *waiter) {
	q.queue.remove(w)
	q.app.meter.Dequeue()
	q.app.config.Budget.give(q, w.bytes)
}

// dispatchLocked assigns what room there is to the requests that wait longest.
func (q *waiting) dispatchLocked() {
	if q.queue.length() == 0 {
		return
	}
	p, pool := q.app.Policy(), q.app.instances.Pool
	pool.SetLimit(q.limitLocked(p))
	defer pool.SetLimit(p.MaxConcurrencyPerInstance)
	for w := q.queue.oldest(); w != nil; w = q.queue.oldest() {
		at, err := q.assignLocked(w.key)
		if errors.Is(err, errNoRoom) {
			q.app.sharing.claimLocked()
			return
		}
		q.removeLocked(w)
		w.granted <- grant{at, err}
	}
}

// limitLocked is how many requests at a time an instance gets from the queue; 0
// means any number. While others are still starting, the first to be ready does not
// get what was meant for all of them.
func (q *waiting) limitLocked(p *scaler.Policy) int {
	if p.MaxConcurrencyPerInstance > 0 {
		return p.MaxConcurrencyPerInstance
	}
	if p.Metric != scaler.Concurrency {
		return 0
	}
	// One that takes long is not waited for.
	after := q.app.config.Now().Add(-p.StartTimeout / 2)
	for i := range q.app.instances.All() {
		if i.State == api.Starting && i.Since.After(after) {
			return int(math.Ceil(p.Target))
		}
	}
	return 0
}

// rejectNotStartedLocked rejects all requests that wait, because no instance will
// start.
func (q *waiting) rejectNotStartedLocked(message string) {
	why := &api.Refusal{Cause: api.CauseNotStarted, Message: message}
	if p := q.app.Policy(); p != nil {
		why.RetryAfter = q.app.starts.time.retryAfter(p)
	}
	q.rejectAllLocked(why)
}

// rejectAllLocked rejects all requests that wait.
func (q *waiting) rejectAllLocked(why *api.Refusal) {
	for w := q.queue.oldest(); w != nil; w = q.queue.oldest() {
		q.removeLocked(w)
		w.granted <- grant{err: why}
	}
	q.app.starts.cold.abandon()
}

// rejectNewest rejects the request that came last, to make room in the gateway's
// budget. It reports whether any waited.
func (q *waiting) rejectNewest() bool {
	q.app.mu.Lock()
	defer q.app.mu.Unlock()
	w := q.queue.newest()
	if w == nil {
		return false
	}
	q.removeLocked(w)
	w.granted <- grant{err: q.gatewayFullLocked()}
	return true
}

// gatewayFullLocked is what a request is told for which the budget has no room.
func (q *waiting) gatewayFullLocked() *api.Refusal {
	return &api.Refusal{
		Cause: api.CauseGatewayFull, RetryAfter: q.app.starts.time.retryAfter(q.app.Policy()),
		Message: "the gateway holds as many requests as it may",
	}
}

// watchInterval is how often requests that wait are looked after.
const watchInterval = time.Second

// watchLocked looks after requests that wait, for as long as there are any: time
// makes a start a failure, and Nomad may have forgotten the count.
func (q *waiting) watchLocked() {
	if q.watched {
		return
	}
	q.watched = true
	ctx := q.app.config.Context
	q.app.config.Go(func() {
		for q.watchOnce() {
			if !pause(ctx, watchInterval) {
				return
			}
		}
	})
}

// watchOnce reports whether requests still wait.
func (q *waiting) watchOnce() bool {
	a := q.app
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	a.starts.checkLocked(now)
	if q.watched = q.queue.length() > 0 && !a.removed; q.watched {
		a.growth.maybeUpLocked(now)
	}
	return q.watched
}
