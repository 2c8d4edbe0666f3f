package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// app is the state of one app. An idle one has no goroutine.
type app struct {
	name    string
	created uint64
	gateway *Gateway
	log     *slog.Logger
	metrics appMetrics

	// policy is the newest valid one, nil before there is one.
	policy  atomic.Pointer[scaler.Policy]
	limiter atomic.Pointer[rate.Limiter]

	// mu guards what follows. No call to Nomad is made under it.
	mu sync.Mutex
	// err is what is wrong with the newest policy.
	err error
	// refused are the mounts that another app has.
	refused []string
	// removed tells that the policy is gone. Requests may still be under way.
	removed bool

	meter     *load.Meter
	pool      *selection.Pool
	queue     queue
	instances map[string]*instance

	// desired is Nomad's count when it was last read or written; 0 when that
	// was before instances stopped.
	desired int
	// growing tells that a goroutine is at work on the count; nudge wakes it.
	growing  bool
	nudge    chan struct{}
	decision *decided
	scaleErr error

	// start is how long instances take to start, learned from the last ones.
	start time.Duration
	cold  coldStart
}

// instance is an allocation as the gateway sees it.
type instance struct {
	nomad.Instance
	slot  *selection.Instance
	state State
	since time.Time
	// placed is when the gateway saw it begin; zero for one that was there
	// before.
	placed time.Time
	// err is what the last probe met, or why there can be none.
	err error
	// stopProbe ends the probe that is under way, if any.
	stopProbe context.CancelFunc
}

func (i *instance) ref() InstanceRef {
	return InstanceRef{ID: i.ID, Index: i.Index, Address: i.slot.Address}
}

// source is the randomness of the selection modes.
type source struct{}

func (source) IntN(n int) int { return rand.IntN(n) }

func newApp(g *Gateway, name string, created uint64) *app {
	return &app{
		name:      name,
		created:   created,
		gateway:   g,
		log:       g.log.With("app", name),
		metrics:   g.metrics.of(name),
		meter:     load.NewMeter(g.now(), load.Retention(scaler.Policy{})),
		pool:      selection.NewPool(selection.New(scaler.SelectRandom, source{}), 0),
		instances: make(map[string]*instance),
		nudge:     make(chan struct{}, 1),
	}
}

// configure takes over a policy. One that is not valid leaves the last good one
// in force.
func (a *app) configure(n nomad.App) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n.Err != nil {
		if a.err == nil || a.err.Error() != n.Err.Error() {
			a.log.Error("the policy is not valid", "error", n.Err, "last_good", a.policy.Load() != nil)
		}
		a.err = n.Err
		return
	}
	a.err = nil
	was, p := a.policy.Load(), &n.Policy
	if was != nil && reflect.DeepEqual(was, p) {
		return
	}
	a.limiter.Store(limiterFor(p, a.limiter.Load(), a.gateway.now()))
	if was == nil || was.ServiceSelectionMode != p.ServiceSelectionMode {
		a.pool.SetMode(selection.New(p.ServiceSelectionMode, source{}))
	}
	a.pool.SetLimit(p.MaxConcurrencyPerInstance)
	a.policy.Store(p)
	for _, i := range a.instances {
		if address := i.Address(p.Port); was == nil || address != i.slot.Address {
			i.slot.Address = address
			a.begin(i)
		}
	}
	a.meter.Retain(load.Retention(*p))
	a.log.Info("the policy is in force", "enabled", p.Enabled)
	a.poke()
	if a.queue.length > 0 {
		a.want(a.gateway.now())
	}
	a.grant()
}

// invalid says what is wrong with the newest policy.
func (a *app) invalid() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		return ""
	}
	return a.err.Error()
}

// remove ends the app. Requests under way end undisturbed.
func (a *app) remove() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removed = true
	for _, i := range a.instances {
		i.endProbe()
	}
	a.refuse("the app has been removed")
	a.poke()
}

// live counts the instances that are there to stay. The caller holds the mutex.
func (a *app) live() int {
	n := 0
	for _, i := range a.instances {
		if i.state != Draining {
			n++
		}
	}
	return n
}

// set takes over what Nomad says of an instance. It is new if it has begun after
// the gateway looked for the first time.
func (a *app) set(n nomad.Instance, isNew bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.instances[n.ID]
	switch {
	case i != nil && n.ModifyIndex < i.ModifyIndex:
	case n.Gone && i != nil:
		a.drop(i)
	case n.Gone:
	case i == nil:
		a.add(n, isNew)
	default:
		i.Instance = n
		if n.Stopping {
			a.drain(i)
		}
	}
}

// keep drops the instances that Nomad does not list any more.
func (a *app) keep(listed map[string]nomad.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, i := range a.instances {
		if _, ok := listed[id]; !ok {
			a.drop(i)
		}
	}
}

// add puts a new instance into the pool, to be probed.
func (a *app) add(n nomad.Instance, isNew bool) {
	now := a.gateway.now()
	i := &instance{Instance: n, since: now}
	address := ""
	p := a.policy.Load()
	if p != nil {
		address = n.Address(p.Port)
	}
	i.slot = a.pool.Add(n.ID, n.Index, address)
	a.instances[n.ID] = i
	if n.Stopping {
		i.state = Draining
		a.pool.SetDraining(n.ID, true)
		return
	}
	if isNew {
		i.placed = now
		a.cold.place(now)
	}
	i.state = Starting
	if p != nil {
		a.begin(i)
	}
}

// begin probes an instance from the beginning: a new one, or one that does not
// accept connections any more.
func (a *app) begin(i *instance) {
	if i.state == Draining {
		return
	}
	i.endProbe()
	a.become(i, Starting)
	a.pool.SetReady(i.ID, false)
	p := a.policy.Load()
	if i.slot.Address == "" {
		label := p.Port
		if label == "" {
			i.err = errors.New("the group has no port")
		} else {
			i.err = fmt.Errorf("the group has no port labelled %q", label)
		}
		a.log.Error("an instance cannot be reached", "instance", i.ID, "error", i.err)
		return
	}
	g := a.gateway
	ctx, cancel := context.WithCancel(g.ctx)
	i.stopProbe = cancel
	address, path := i.slot.Address, p.ReadyPath
	g.work.Go(func() {
		defer cancel()
		err := g.prober.probe(ctx, address, path, func(err error) { a.tried(ctx, i, err) })
		if err == nil {
			a.ready(ctx, i)
		}
	})
}

func (i *instance) endProbe() {
	if i.stopProbe != nil {
		i.stopProbe()
		i.stopProbe = nil
	}
}

// tried notes a probe in vain. It is also the clock of what waits for instances
// that start.
func (a *app) tried(ctx context.Context, i *instance, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil {
		i.err = err
		a.grant()
	}
}

// ready lets an instance have requests.
func (a *app) ready(ctx context.Context, i *instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	now := a.gateway.now()
	i.err, i.stopProbe = nil, nil
	a.become(i, Ready)
	a.pool.SetReady(i.ID, true)
	a.cold.readied(now)
	if !i.placed.IsZero() {
		took := now.Sub(i.placed)
		i.placed = time.Time{}
		if a.start == 0 {
			a.start = took
		}
		a.start = (2*a.start + took) / 3
		a.log.Info("an instance is ready", "instance", i.ID, "index", i.Index, "took", took)
	}
	a.grant()
}

// suspect probes an instance again that did not accept a request. The caller
// holds the mutex.
func (a *app) suspect(p place, why error) {
	i := a.instances[p.slot.ID]
	if i == nil || i.state != Ready || i.slot.Address != p.address {
		return
	}
	a.log.Warn("an instance does not accept connections", "instance", i.ID, "error", why)
	a.begin(i)
	i.err = why
}

// drain keeps new requests from an instance that Nomad is stopping. Those under
// way end undisturbed.
func (a *app) drain(i *instance) {
	if i.state == Draining {
		return
	}
	i.endProbe()
	a.become(i, Draining)
	a.pool.SetDraining(i.ID, true)
	a.log.Info("an instance is draining", "instance", i.ID, "index", i.Index, "in_flight", i.slot.InFlight())
	a.shrunk()
	a.drained(i.slot)
}

// drained ends the delay of a stopping instance when its last request is over.
func (a *app) drained(slot *selection.Instance) {
	g := a.gateway
	if !slot.Draining() || slot.InFlight() > 0 || !g.config.EndDelays || a.instances[slot.ID] == nil {
		return
	}
	g.work.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, callTimeout)
		defer cancel()
		if err := g.config.Nomad.EndDelay(ctx, slot.ID); err != nil {
			a.log.Warn("the delay of a stopping instance could not be ended early", "instance", slot.ID, "error", err)
		}
	})
}

// drop takes out an instance that has ended.
func (a *app) drop(i *instance) {
	i.endProbe()
	delete(a.instances, i.ID)
	a.pool.Remove(i.ID)
	if i.state != Draining {
		a.shrunk()
	}
}

// shrunk notes that there are fewer instances than there were.
func (a *app) shrunk() {
	a.desired = 0
	a.poke()
	if a.queue.length > 0 {
		a.want(a.gateway.now())
	}
}

func (a *app) become(i *instance, s State) {
	i.state, i.since = s, a.gateway.now()
}

// mounts are the places where the app's requests come from.
func (a *app) mounts(t *table) []string {
	var all []string
	for _, m := range append([]mounting{home(a.name)}, a.asks()...) {
		if t != nil && t.hosts[m.host] != nil && t.hosts[m.host].apps[m.prefix] == a {
			all = append(all, m.String())
		}
	}
	return all
}

// status is what /v1/apps says of the app.
func (a *app) status(now time.Time, t *table) AppStatus {
	mounts := a.mounts(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	s := AppStatus{
		App: a.name, Mounts: mounts, Refused: a.refused,
		Desired: a.expected(), Queued: a.queue.length,
		Instances:    make([]InstanceStatus, 0, len(a.instances)),
		StartSeconds: a.start.Seconds(),
		ColdStart:    a.cold.last,
	}
	if p := a.policy.Load(); p != nil {
		s.Policy, s.Enabled, s.Metric = p.Document(), p.Enabled, p.Metric
		if load, known := a.demand(now); known {
			s.Load = &load
		}
	}
	if a.err != nil {
		s.Error = a.err.Error()
	}
	if a.scaleErr != nil {
		s.ScaleError = a.scaleErr.Error()
	}
	if d := a.decision; d != nil {
		s.Decision = &DecisionStatus{Time: d.at, Rule: d.Rule, From: d.Desired, To: d.Count, Reason: d.Reason(), WaitSeconds: d.Wait.Seconds()}
	}
	for _, i := range a.instances {
		s.InFlight += i.slot.InFlight()
		if i.state == Ready {
			s.Running++
		}
		status := InstanceStatus{InstanceRef: i.ref(), State: i.state, Since: i.since, InFlight: i.slot.InFlight()}
		if i.err != nil {
			status.Error = i.err.Error()
		}
		s.Instances = append(s.Instances, status)
	}
	slices.SortFunc(s.Instances, func(x, y InstanceStatus) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.ID, y.ID))
	})
	return s
}
