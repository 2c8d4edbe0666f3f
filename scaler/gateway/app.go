package gateway

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// app is the state of one app. An idle one has no goroutine.
type app struct {
	id      scaler.AppID
	name    string
	created uint64
	gateway *Gateway
	log     *slog.Logger
	metrics appMetrics

	// policy is the newest valid one, nil before there is one.
	policy  atomic.Pointer[scaler.Policy]
	limiter atomic.Pointer[rate.Limiter]
	// arrived counts requests for the limiter.
	arrived atomic.Int64

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
	// live counts the instances that are not draining.
	live int
	// failed are instances that ended in failure and have not been replaced.
	failed   map[string]failedInstance
	unplaced unplaced
	failing  startFailure
	// attended tells that a goroutine looks after the requests that wait.
	attended bool

	// elsewhere is the load at other gateways, slots what of the hard cap is
	// this one's, seeking whether a goroutine asks for more, and share its part
	// of the rate limit, by the arrivals per second.
	elsewhere elsewhere
	slots     slots
	seeking   bool
	share     float64
	arrivals  float64

	// desired is Nomad's count when it was last read or written, at desiredAt;
	// 0 when that was before instances stopped.
	desired   int
	desiredAt time.Time
	// growing tells that a goroutine is at work on the count; nudge wakes it.
	growing   bool
	nudge     chan struct{}
	decisions decisions
	scaleErr  error

	// start is how long instances take to start, learned from the last ones.
	start time.Duration
	cold  coldStart
}

// source is the randomness of the selection modes.
type source struct{}

func (source) IntN(n int) int { return rand.IntN(n) }

func newApp(g *Gateway, n nomad.App) *app {
	a := &app{
		id:        n.ID,
		name:      n.ID.String(),
		created:   n.Created,
		gateway:   g,
		log:       g.log.With("namespace", n.ID.Namespace, "job", n.ID.Job, "group", n.ID.Group),
		metrics:   g.metrics.of(n.ID.String()),
		meter:     load.NewMeter(g.now(), load.Retention(scaler.Policy{})),
		pool:      selection.NewPool(selection.New(scaler.SelectRandom, source{}), 0),
		instances: make(map[string]*instance),
		failed:    make(map[string]failedInstance),
		nudge:     make(chan struct{}, 1),
		share:     1 / float64(1+len(g.peers.known().members)),
	}
	a.slots = newSlots(g.process, &g.slotReports, a.pool)
	return a
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
	a.limiter.Store(limiterFor(p, a.limiter.Load(), a.share, a.gateway.now()))
	if was == nil || was.ServiceSelectionMode != p.ServiceSelectionMode {
		a.pool.SetMode(selection.New(p.ServiceSelectionMode, source{}))
	}
	a.pool.SetLimit(p.MaxConcurrencyPerInstance)
	a.slots.setLimit(p.MaxConcurrencyPerInstance)
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
func (a *app) status(now time.Time, t *table) api.AppStatus {
	mounts := a.mounts(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	s := api.AppStatus{
		App: a.id, Mounts: mounts, Refused: a.refused,
		Desired: a.expected(now), Queued: a.queue.length,
		Instances:    make([]api.InstanceStatus, 0, len(a.instances)),
		StartSeconds: a.start.Seconds(),
		ColdStart:    a.cold.last,
	}
	if p := a.policy.Load(); p != nil {
		s.Policy, s.Enabled, s.Metric = p.Document(), p.Enabled, p.Metric
		s.Override = a.gateway.overrides.Apply(*p, now).Override
		if load, known := loadIn(p.Metric, a.meter.Snapshot(now)); known {
			s.Load = &load
		}
	}
	if a.err != nil {
		s.Error = a.err.Error()
	}
	if a.scaleErr != nil {
		s.ScaleError = a.scaleErr.Error()
	}
	s.StartError = a.startFailure(now).why
	if d := a.decisions.newest(); d != nil {
		latest := d.status()
		s.Decision = &latest
	}
	for _, i := range a.instances {
		s.InFlight += i.slot.InFlight()
		if i.state == api.Ready {
			s.Running++
		}
		status := api.InstanceStatus{InstanceRef: i.ref(), State: i.state, Since: i.since, InFlight: i.slot.InFlight()}
		if i.err != nil {
			status.Error = i.err.Error()
		}
		s.Instances = append(s.Instances, status)
	}
	slices.SortFunc(s.Instances, func(x, y api.InstanceStatus) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.ID, y.ID))
	})
	return s
}
