package gateway

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// hold keeps a request that finds no room until there is some. Requests wait in
// the order in which they came, for no longer than start_timeout, and leave when
// their client does.
func (g *Gateway) hold(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		for {
			err := next(w, r, c)
			if !errors.Is(err, errNoPlace) {
				return err
			}
			if err := g.wait(r, c); err != nil {
				return err
			}
		}
	}
}

// wait returns when the call has a place, or why it gets none.
func (g *Gateway) wait(r *http.Request, c *call) error {
	began := g.now()
	t, err := c.app.enqueue(c, heldCost(r))
	if err != nil {
		return err
	}
	defer func() { c.waited += g.now().Sub(began) }()
	timer := time.NewTimer(c.policy.StartTimeout - began.Sub(c.arrived))
	defer timer.Stop()
	var look <-chan time.Time
	conn := watched(r)
	if conn != nil {
		ticker := time.NewTicker(hangupInterval)
		defer ticker.Stop()
		look = ticker.C
	}
	left := func() error {
		if granted := c.app.leave(t); granted.err == nil {
			c.app.release(granted.place, nil)
		}
		return clientLeft
	}
	for {
		var granted grant
		select {
		case <-look:
			if hungUp(conn) {
				return left()
			}
			continue
		case <-r.Context().Done():
			return left()
		case granted = <-t.granted:
		case <-timer.C:
			granted = c.app.leave(t)
		}
		c.place = granted.place
		return granted.err
	}
}

// enqueue lets a request wait that takes so many bytes, or says why it may not.
func (a *app) enqueue(c *call, bytes int64) (*turn, error) {
	t, err := a.join(c, bytes, false)
	if !errors.Is(err, errNoBudget) {
		return t, err
	}
	// Making room locks another app, and two apps at a time are never locked.
	if !a.gateway.held.makeRoom(a, bytes) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return nil, a.gatewayFull()
	}
	return a.join(c, bytes, true)
}

// errNoBudget is what join returns when the gateway's budget has no room.
var errNoBudget = errors.New("the gateway's budget of held requests is used up")

// join puts a request into the queue. Unless its part of the gateway's budget is
// paid already, join takes that; it gives a paid one back when it refuses.
func (a *app) join(c *call, bytes int64, paid bool) (t *turn, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, held := c.policy, a.gateway.held
	defer func() {
		if err != nil && paid {
			held.give(a, bytes)
		}
	}()
	if err := a.hopeless(p); err != nil {
		return nil, err
	}
	if a.queue.length >= p.MaxQueuedRequests {
		return nil, &api.Refusal{
			Cause: api.CauseQueueFull, RetryAfter: a.retryAfter(p),
			Message: fmt.Sprintf("%d requests are waiting already, which is max_queued_requests", p.MaxQueuedRequests),
		}
	}
	if !paid && !held.take(a, bytes) {
		return nil, errNoBudget
	}
	t = &turn{key: c.key, bytes: bytes, granted: make(chan grant, 1)}
	if c.tried > 0 {
		a.queue.pushFirst(t)
	} else {
		a.queue.push(t)
	}
	a.meter.Enqueue()
	a.waking(c.arrived)
	a.attend()
	a.want(a.gateway.now())
	// Room may have come up since the request looked for it.
	a.grant()
	return t, nil
}

// hopeless says why no instance is going to start, if that is known. The caller
// holds the mutex.
func (a *app) hopeless(p *scaler.Policy) error {
	if err := a.startFailed(p); err != nil {
		return err
	}
	if a.live > 0 {
		return nil
	}
	refusal := &api.Refusal{Cause: api.CauseNotStarted, RetryAfter: a.retryAfter(p)}
	lost, now := a.gateway.apps.unreachable(), a.gateway.now()
	d := a.decide(p, now, a.expected(now), 1, time.Time{})
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
func (a *app) leave(t *turn) grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !t.queued {
		return <-t.granted
	}
	a.dequeue(t)
	if a.queue.length == 0 {
		a.cold.abandon()
	}
	p := a.policy.Load()
	return grant{err: &api.Refusal{
		Cause: api.CauseStartTimeout, RetryAfter: a.retryAfter(p),
		Message: fmt.Sprintf("no instance had room within %s: %s", scaler.FormatDuration(p.StartTimeout), a.obstacle()),
	}}
}

// obstacle says what requests are waiting for. The caller holds the mutex.
func (a *app) obstacle() string {
	ready := 0
	var failing error
	for _, i := range a.instances {
		switch {
		case i.state == api.Ready:
			ready++
		case i.Failure != "":
			failing = fmt.Errorf("instance %s is not ready: %s", i.ID, i.Failure)
		case i.err != nil:
			failing = fmt.Errorf("instance %s is not ready: %w", i.ID, i.err)
		}
	}
	switch {
	case a.scaleErr != nil:
		return a.scaleErr.Error()
	case a.failing.why != "":
		return a.failing.why
	case failing != nil:
		return failing.Error()
	case ready > 0:
		return fmt.Sprintf("%d instances are busy", ready)
	case a.desired > 0:
		return fmt.Sprintf("Nomad is asked to run %d and has placed none", a.desired)
	default:
		return "Nomad has not started one"
	}
}

// dequeue ends a turn. The caller holds the mutex.
func (a *app) dequeue(t *turn) {
	a.queue.remove(t)
	a.meter.Dequeue()
	a.gateway.held.give(a, t.bytes)
}

// grant gives what room there is to the requests that wait longest. The caller
// holds the mutex.
func (a *app) grant() {
	if a.queue.length == 0 {
		return
	}
	p := a.policy.Load()
	a.pool.SetLimit(a.pace(p))
	defer a.pool.SetLimit(p.MaxConcurrencyPerInstance)
	for t := a.queue.first; t != nil; t = a.queue.first {
		place, err := a.acquire(t.key)
		if errors.Is(err, errNoPlace) {
			a.seek()
			return
		}
		a.dequeue(t)
		t.granted <- grant{place, err}
	}
}

// pace is how many requests at a time an instance gets from the queue; 0 means
// any number. While others are still starting, the first to be ready does not
// get what was meant for all of them.
func (a *app) pace(p *scaler.Policy) int {
	if p.MaxConcurrencyPerInstance > 0 {
		return p.MaxConcurrencyPerInstance
	}
	if p.Metric != scaler.Concurrency {
		return 0
	}
	// One that takes long is not waited for.
	after := a.gateway.now().Add(-p.StartTimeout / 2)
	for _, i := range a.instances {
		if i.state == api.Starting && i.since.After(after) {
			return int(math.Ceil(p.Target))
		}
	}
	return 0
}

// refuse ends every wait, for no instance is going to start. The caller holds
// the mutex.
func (a *app) refuse(message string) {
	why := &api.Refusal{Cause: api.CauseNotStarted, Message: message}
	if p := a.policy.Load(); p != nil {
		why.RetryAfter = a.retryAfter(p)
	}
	a.refuseWaiting(why)
}

// refuseWaiting ends every wait. The caller holds the mutex.
func (a *app) refuseWaiting(why *api.Refusal) {
	for t := a.queue.first; t != nil; t = a.queue.first {
		a.dequeue(t)
		t.granted <- grant{err: why}
	}
	a.cold.abandon()
}

// unknownStart stands in for the time that instances take to start until one has.
const unknownStart = 5 * time.Second

// retryAfter is when an instance may have started. The caller holds the mutex.
func (a *app) retryAfter(p *scaler.Policy) int { return seconds(a.startTime(p)) }

// startTime is how long a start may take. The caller holds the mutex.
func (a *app) startTime(p *scaler.Policy) time.Duration {
	if a.start == 0 {
		return min(unknownStart, p.StartTimeout)
	}
	return a.start
}
