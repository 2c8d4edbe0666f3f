package backend

import (
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/instances"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// App is one app. An idle one has no goroutine. It is safe for concurrent use.
type App struct {
	ID scaler.AppID
	// Name is the ID as text.
	Name string
	// Created orders apps by age: the older one has the lower number.
	Created uint64

	config *Config
	log    *slog.Logger

	// policy is the newest valid one, nil before there is one.
	policy atomic.Pointer[scaler.Policy]
	rate   *cluster.RateLimit
	meter  *load.Meter

	// mu guards what follows. No call to Nomad is made under it.
	mu sync.Mutex
	// err is what is wrong with the newest policy.
	err error
	// mounts are the places where requests come from, and refused those that another
	// app has.
	mounts, refused []string
	// removed reports that the policy is gone. Requests may still be under way.
	removed bool

	instances *instances.Set
	waiting   waiting
	starts    starts
	growth    growth
	sharing   sharing
}

// source is the randomness of the selection modes.
type source struct{}

// IntN returns a number from 0 to n-1.
func (source) IntN(n int) int { return rand.IntN(n) }

// NewApp returns an app that has no policy yet; [App.Configure] takes that over.
func NewApp(config *Config, n nomad.App) *App {
	a := &App{
		ID: n.ID, Created: n.Created, Name: n.ID.String(), config: config,
		log:   config.Log.With("namespace", n.ID.Namespace, "job", n.ID.Job, "group", n.ID.Group),
		meter: load.NewMeter(config.Now(), load.Retention(scaler.Policy{})),
	}
	pool := selection.NewPool(selection.New(scaler.SelectRandom, source{}), 0)
	a.rate = cluster.NewRateLimit(1 / float64(1+config.Cluster.Snapshot().Size()))
	a.instances = instances.NewSet(pool, instances.Config{
		Lock: &a.mu, Observer: observer{a}, Prober: config.Prober, Context: config.Context, Go: config.Go,
		Now: config.Now, Log: a.log,
	})
	a.waiting = waiting{app: a}
	a.starts = starts{app: a}
	a.growth = growth{app: a, wake: make(chan struct{}, 1)}
	a.sharing = sharing{
		app: a, permits: cluster.NewPermits(config.Process, n.ID, config.Clock, permitted{a.instances}),
	}
	return a
}

// Policy is the newest valid policy; nil before there is one.
func (a *App) Policy() *scaler.Policy { return a.policy.Load() }

// PolicyError is what is wrong with the newest policy; nil when it is valid.
func (a *App) PolicyError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// Log is the logger of what concerns the app.
func (a *App) Log() *slog.Logger { return a.log }

// Admit lets a request in, or refuses it when there are more than rate_limit. The
// error is an [*api.Refusal].
func (a *App) Admit(p *scaler.Policy, now time.Time) error { return a.rate.Admit(p, now) }

// CountArrivals takes the requests since the last call into the rate of arrivals.
func (a *App) CountArrivals(since time.Duration) { a.rate.CountArrivals(since) }

// Begin makes a request load until [App.End], and lets the app grow if it is one
// too many for the instances that there are.
func (a *App) Begin(now time.Time) {
	a.meter.Begin(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.growth.maybeUpLocked(now)
}

// End ends what Begin began.
func (a *App) End(now time.Time) { a.meter.End(now) }

// FirstByte notes the head of an answer to a request that waited.
func (a *App) FirstByte(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.starts.cold.end(at)
	if c == nil {
		return
	}
	for phase, took := range phases(c) {
		a.config.Metrics.ColdStart(a.ID, phase, time.Duration(took*float64(time.Second)))
	}
	a.log.Info("started from zero", "total", c.Total, "decide", c.Decide, "place", c.Place, "ready", c.Ready, "first_byte", c.FirstByte)
}

// Configure takes over a policy. One that is not valid leaves the last good one in
// force.
func (a *App) Configure(n nomad.App) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.Policy()
	if n.Err != nil {
		if a.err == nil || a.err.Error() != n.Err.Error() {
			a.log.Error("the policy is not valid", "error", n.Err, "last_good", was != nil)
		}
		a.err = n.Err
		return
	}
	a.err = nil
	p, now := &n.Policy, a.config.Now()
	if was != nil && reflect.DeepEqual(was, p) {
		return
	}
	a.rate.Configure(p, now)
	pool := a.instances.Pool
	if was == nil || was.ServiceSelectionMode != p.ServiceSelectionMode {
		pool.SetMode(selection.New(p.ServiceSelectionMode, source{}))
	}
	pool.SetLimit(p.MaxConcurrencyPerInstance)
	a.sharing.permits.SetLimit(p.MaxConcurrencyPerInstance)
	a.policy.Store(p)
	a.instances.Configure(p.Port, p.ReadyPath)
	a.meter.Retain(load.Retention(*p))
	a.log.Info("the policy is in force", "enabled", p.Enabled)
	a.growth.wakeLocked()
	if a.waiting.queue.length() > 0 {
		a.growth.maybeUpLocked(now)
	}
	a.waiting.dispatchLocked()
}

// Remove ends the app. Requests under way are not disturbed.
func (a *App) Remove() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removed = true
	a.instances.Close()
	a.waiting.rejectNotStartedLocked("the app has been removed")
	a.growth.wakeLocked()
}

// SetInstance takes over what Nomad says of an instance; see [instances.Set.Update].
func (a *App) SetInstance(n nomad.Instance, isNew bool, retry time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instances.Update(n, isNew, retry)
	a.starts.checkLocked(a.config.Now())
}

// KeepInstances drops the instances that Nomad does not list any more.
func (a *App) KeepInstances(listed map[string]nomad.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instances.Keep(listed)
}

// SetPlacement takes over what keeps Nomad from placing instances.
func (a *App) SetPlacement(f PlacementFailure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starts.placement = f
	a.starts.checkLocked(a.config.Now())
}

// Observe takes over what the other gateways have of the app.
func (a *App) Observe(m *cluster.Membership) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.Policy(); p != nil && p.RateLimit > 0 {
		a.rate.Divide(p, m.Arrivals(a.ID), a.config.Now())
	}
	a.sharing.observeLocked(m)
}

// SetMounts takes over where requests for the app come from, and which places that
// its policy asks for are another app's.
func (a *App) SetMounts(mounts, refused []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mounts = mounts
	if slices.Equal(a.refused, refused) {
		return
	}
	a.refused = refused
	if len(refused) > 0 {
		a.log.Warn("another app is mounted where this one asks to be", "refused", refused)
	}
}
