package backend_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// fakeNomad answers as a test says.
type fakeNomad struct {
	mu sync.Mutex
	// state is what Status answers.
	state     nomad.Status
	statusErr error
	// scaleErrs are what the next calls to Scale return.
	scaleErrs []error
	// scaled are the counts asked for, and read how often the status was.
	scaled []int
	read   int
	ended  []string
	// onScale is called after a count was accepted.
	onScale func(count int)
	// latency is how long Status takes after it has read.
	latency time.Duration
}

func (f *fakeNomad) Status(context.Context, scaler.AppID) (nomad.Status, error) {
	defer time.Sleep(f.latency)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read++
	return f.state, f.statusErr
}

func (f *fakeNomad) Scale(_ context.Context, _ scaler.AppID, _ nomad.Status, d scaler.Decision) error {
	onScale, err := f.accept(d)
	if err == nil && onScale != nil {
		onScale(d.Count)
	}
	return err
}

func (f *fakeNomad) accept(d scaler.Decision) (onScale func(int), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scaled = append(f.scaled, d.Count)
	if len(f.scaleErrs) > 0 {
		err, f.scaleErrs = f.scaleErrs[0], f.scaleErrs[1:]
	}
	if err == nil {
		f.state.Desired = d.Count
		if d.Rule == scaler.RuleUp {
			f.state.History.LastUp = time.Now()
		}
	}
	return f.onScale, err
}

func (f *fakeNomad) EndDelay(_ context.Context, allocation string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = append(f.ended, allocation)
	return nil
}

func (f *fakeNomad) calls() (scaled []int, read int, ended []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.scaled), f.read, slices.Clone(f.ended)
}

// set changes what Status answers.
func (f *fakeNomad) set(desired int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Desired, f.statusErr = desired, err
}

// openPorts finds every instance ready, unless the test names its address.
type openPorts struct {
	mu     sync.Mutex
	closed map[string]error // by address
	// latency is how long each probe takes.
	latency time.Duration
}

func (p *openPorts) Probe(_ context.Context, address, _ string) error {
	p.mu.Lock()
	latency := p.latency
	p.mu.Unlock()
	time.Sleep(latency)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed[address]
}

// take lets each probe take so long.
func (p *openPorts) take(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = latency
}

// close lets the probes of an address fail; nil opens it.
func (p *openPorts) close(address string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = make(map[string]error)
	}
	p.closed[address] = err
}

// counters are the metrics of a test, as "<metric> <label>".
type counters struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counters) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	c.n[what]++
}

func (c *counters) seen() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

func (c *counters) ScaleCall(_ scaler.AppID, result string)   { c.count("scale " + result) }
func (c *counters) Decision(_ scaler.AppID, rule scaler.Rule) { c.count("decision " + string(rule)) }
func (c *counters) Ejection(scaler.AppID)                     { c.count("ejection") }
func (c *counters) ColdStart(_ scaler.AppID, phase string, _ time.Duration) {
	c.count("cold_start " + phase)
}
func (c *counters) Forget(scaler.AppID) { c.count("forget") }

// fixture is what apps share in a test.
type fixture struct {
	backend.Config
	nomad   *fakeNomad
	ports   *openPorts
	metrics *counters
	// lost is why Nomad does not answer.
	lost error
	// work is what runs in the background, and running is how much there is of it.
	work    sync.WaitGroup
	running atomic.Int64
	// apps are those that the other gateways are told of.
	apps []*backend.App
	// observed is called after the apps have been told of the other gateways.
	observed func()
	// ending reports that the gateway takes no new requests.
	ending atomic.Bool
}

// newFixture returns what apps share: a Nomad that answers as the test says, no
// overrides, no other gateways, and instances whose ports are open.
func newFixture(t testing.TB, change ...func(*backend.Config)) *fixture {
	t.Helper()
	f := &fixture{nomad: new(fakeNomad), ports: new(openPorts), metrics: new(counters)}
	f.Config = backend.Config{
		Nomad: f.nomad, Prober: f.ports, Metrics: f.metrics,
		Overrides: unknownOverrides(t),
		Process:   "self", Clock: new(cluster.LamportClock),
		Budget:      backend.NewBudget(backend.Usage{Requests: 10000, Bytes: 512 << 20}),
		Unreachable: func() error { return f.lost },
		Now:         time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if testing.Verbose() {
		f.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	for _, c := range change {
		c(&f.Config)
	}
	if f.Cluster == nil {
		f.Cluster = cluster.New(cluster.Config{Process: f.Process, Now: f.Now, Log: f.Log})
	}
	f.Overrides.Report(nil)
	ctx, cancel := context.WithCancel(context.Background())
	f.Context = ctx
	f.Go = func(run func()) {
		f.running.Add(1)
		f.work.Go(func() {
			defer f.running.Add(-1)
			run()
		})
	}
	t.Cleanup(func() {
		cancel()
		f.work.Wait()
	})
	return f
}

// unknownOverrides are overrides that have not been read yet.
func unknownOverrides(t testing.TB) *nomad.Overrides {
	return nomad.NewOverrides(func(app scaler.AppID, err error) { t.Logf("override of %s: %v", app, err) })
}

var webID = scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}

// policy parses a document for an app.
func policy(t testing.TB, id scaler.AppID, document scaler.Document) scaler.Policy {
	t.Helper()
	d := scaler.Document{"namespace": id.Namespace, "job": id.Job, "group": id.Group}
	maps.Copy(d, document)
	p, err := scaler.Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// app is an app with a policy and without instances. A nil document has the defaults.
func (f *fixture) app(t testing.TB, id scaler.AppID, document scaler.Document) *backend.App {
	t.Helper()
	n := nomad.App{ID: id, Policy: policy(t, id, document), Created: 1}
	a := backend.NewApp(&f.Config, n)
	f.apps = append(f.apps, a)
	a.Configure(n)
	return a
}

// configure gives an app another policy.
func configure(t testing.TB, a *backend.App, document scaler.Document) {
	t.Helper()
	a.Configure(nomad.App{ID: a.ID, Policy: policy(t, a.ID, document), Created: 1})
}

// allocation is an instance of an app as Nomad reports it.
func allocation(a *backend.App, id string, index int) nomad.Instance {
	return nomad.Instance{
		ID: id, App: a.ID, Index: index, ModifyIndex: 1,
		Ports: []nomad.Port{{Label: "http", Address: "instance-" + id}},
	}
}

// start gives an app an instance, which a probe finds ready soon.
func start(a *backend.App, id string, index int) {
	a.SetInstance(allocation(a, id, index), false, time.Time{})
}

// startReady gives an app an instance and waits until it is ready, in a bubble of
// synctest.
func startReady(t testing.TB, a *backend.App, id string, index int) {
	t.Helper()
	start(a, id, index)
	synctest.Wait()
	if s := states(a)[id]; s != api.Ready {
		t.Fatalf("instance %s is %q, want that it is ready", id, s)
	}
}

// stop tells an app that Nomad is stopping an instance.
func stop(a *backend.App, id string, index int) {
	n := allocation(a, id, index)
	n.Stopping, n.ModifyIndex = true, 2
	a.SetInstance(n, true, time.Time{})
}

// states are those of an app's instances by ID.
func states(a *backend.App) map[string]api.State {
	all := make(map[string]api.State)
	for _, i := range a.Status().Instances {
		all[i.ID] = i.State
	}
	return all
}

// client is a client that does not leave by itself.
type client struct{ memory int64 }

func (c client) Memory() int64     { return c.memory }
func (c client) Left() func() bool { return nil }

// request is a request that comes now.
func (f *fixture) request(a *backend.App) *backend.Request {
	return &backend.Request{Policy: a.Policy(), Arrived: f.Now(), Client: client{1}}
}

// acquire acquires an instance for a request that comes now and finds room.
func (f *fixture) acquire(t testing.TB, a *backend.App) backend.Lease {
	t.Helper()
	l, waited, err := a.Acquire(t.Context(), f.request(a))
	if err != nil || waited != 0 {
		t.Fatalf("a request got %v after %s, want an instance at once", err, waited)
	}
	return l
}

// answered is the result of an attempt that the instance answers.
func answered() api.AttemptResult {
	return api.AttemptResult{Phase: api.PhaseAnswered, Status: 200, Sent: time.Now()}
}

// asRefusal is the refusal that an error is; the zero value when it is none.
func asRefusal(err error) api.Refusal {
	var r *api.Refusal
	if errors.As(err, &r) {
		return *r
	}
	return api.Refusal{}
}
