package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// fakeNomad answers as a test says. It reports nothing of itself: tests tell the
// registry.
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
}

func (f *fakeNomad) WatchApps(ctx context.Context, _ func([]nomad.App), _ func(error)) { <-ctx.Done() }

func (f *fakeNomad) WatchInstances(ctx context.Context, _ nomad.InstanceWatcher) { <-ctx.Done() }

func (f *fakeNomad) WatchOverrides(ctx context.Context, _ func([]nomad.AppOverride), _ func(error)) {
	<-ctx.Done()
}

func (f *fakeNomad) Status(context.Context, scaler.AppID) (nomad.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read++
	return f.state, f.statusErr
}

func (f *fakeNomad) Scale(_ context.Context, _ scaler.AppID, _ nomad.Status, d scaler.Decision) error {
	f.mu.Lock()
	f.scaled = append(f.scaled, d.Count)
	var err error
	if len(f.scaleErrs) > 0 {
		err, f.scaleErrs = f.scaleErrs[0], f.scaleErrs[1:]
	}
	onScale := f.onScale
	if err == nil {
		f.state.Desired = d.Count
		if d.Rule == scaler.RuleUp {
			f.state.History.LastUp = time.Now()
		}
	}
	f.mu.Unlock()
	if err == nil && onScale != nil {
		onScale(d.Count)
	}
	return err
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
	return append([]int(nil), f.scaled...), f.read, append([]string(nil), f.ended...)
}

// newGateway returns a gateway that does not run yet; its chain can be called.
func newGateway(t testing.TB, change ...func(*Config)) *Gateway {
	t.Helper()
	config := Config{Nomad: new(fakeNomad), Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0"}
	if testing.Verbose() {
		config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	for _, c := range change {
		c(&config)
	}
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.stop()
		_ = g.listener.Close()
		_ = g.adminListener.Close()
		g.work.Wait()
	})
	return g
}

// with puts a Nomad into a configuration.
func with(f Nomad) func(*Config) { return func(c *Config) { c.Nomad = f } }

const appName = "default/shop/web"

var appID = idOf(appName)

// idOf is the app of a name.
func idOf(name string) scaler.AppID {
	id, err := scaler.ParseAppID(name)
	if err != nil {
		panic(err)
	}
	return id
}

// policy parses a document for an app, <namespace>/<job>/<group>.
func policy(t testing.TB, app string, document scaler.Document) scaler.Policy {
	t.Helper()
	first, last := strings.Index(app, "/"), strings.LastIndex(app, "/")
	d := scaler.Document{"namespace": app[:first], "job": app[first+1 : last], "group": app[last+1:]}
	for key, value := range document {
		d[key] = value
	}
	p, err := scaler.Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// declared is an app as Nomad reports it.
func declared(t testing.TB, app string, document scaler.Document) nomad.App {
	t.Helper()
	p := policy(t, app, document)
	return nomad.App{ID: p.App, Policy: p, Created: 1}
}

// declare makes apps known to the gateway, and that there are no instances and no
// overrides.
func (g *Gateway) declare(apps ...nomad.App) {
	g.overrides.Report(nil)
	g.apps.report(apps)
	g.apps.Replace(nil)
}

// allocation is an instance of an app as Nomad reports it.
func allocation(app, id string, index int, address string) nomad.Instance {
	name := strings.Split(app, "/")
	return nomad.Instance{
		ID: id, App: scaler.AppID{Namespace: name[0], Job: name[1], Group: name[2]}, Index: index, ModifyIndex: 1,
		Ports: []nomad.Port{{Label: "http", Address: address}},
	}
}

// addReady gives an app an instance that needs no probe.
func (a *app) addReady(id string, index int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := &instance{Instance: allocation(a.name, id, index, "instance-"+id), state: api.Ready, since: a.gateway.now()}
	i.slot = a.pool.Add(id, index, "instance-"+id)
	a.slots.add(i.slot, a.gateway.peers.alone())
	a.instances[id] = i
	a.live++
	a.pool.SetReady(id, true)
	a.grant()
}

// serve passes a request through a handler and returns the refusal, if any.
func serve(h handler, c *call) error {
	return h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), c)
}

// callFor is a call that has been routed.
func (g *Gateway) callFor(app string) *call {
	a := g.apps.find(app)
	return &call{app: a, policy: a.policy.Load(), arrived: g.now()}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// body reads a response to its end.
func body(t testing.TB, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return string(b)
}

// holds is how many requests the gateway holds.
func (g *Gateway) holds() int {
	g.held.mu.Lock()
	defer g.held.mu.Unlock()
	return int(g.held.total.requests)
}
