package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// fakeNomad answers as a test says, and lets the test tell a gateway what changes.
type fakeNomad struct {
	// watching is closed when the gateway watches apps, instances and overrides.
	watching chan struct{}
	watchers sync.WaitGroup

	report    func([]nomad.App)
	failed    func(error)
	instances nomad.InstanceWatcher
	overrides func([]nomad.AppOverride)

	mu sync.Mutex
	// state is what Status answers.
	state     nomad.Status
	statusErr error
	// scaled are the counts asked for.
	scaled []int
}

func newFakeNomad() *fakeNomad {
	f := &fakeNomad{watching: make(chan struct{})}
	f.watchers.Add(3)
	go func() {
		f.watchers.Wait()
		close(f.watching)
	}()
	return f
}

func (f *fakeNomad) WatchApps(ctx context.Context, report func([]nomad.App), failed func(error)) {
	f.report, f.failed = report, failed
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) WatchInstances(ctx context.Context, w nomad.InstanceWatcher) {
	f.instances = w
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) WatchOverrides(ctx context.Context, report func([]nomad.AppOverride), _ func(error)) {
	f.overrides = report
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) Status(context.Context, scaler.AppID) (nomad.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.statusErr
}

func (f *fakeNomad) Scale(_ context.Context, _ scaler.AppID, _ nomad.Status, d scaler.Decision) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scaled = append(f.scaled, d.Count)
	f.state.Desired = d.Count
	return nil
}

func (f *fakeNomad) EndDelay(context.Context, string) error { return nil }

// served is a gateway that runs on a fake Nomad.
type served struct {
	*gateway.Gateway
	nomad *fakeNomad
	// stop ends the gateway and returns what Run did.
	stop func() error
}

// serve runs a gateway that knows no apps yet.
func serve(t testing.TB, change ...func(*gateway.Config)) *served {
	t.Helper()
	f := newFakeNomad()
	config := gateway.Config{Nomad: f, Listen: "127.0.0.1:0", DrainTimeout: 10 * time.Second}
	if testing.Verbose() {
		config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	for _, c := range change {
		c(&config)
	}
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("ending the gateway: %v", err)
		}
	})
	<-f.watching
	return &served{Gateway: g, nomad: f, stop: stop}
}

// declare makes apps known to the gateway, and that there are no overrides and only
// these instances.
func (g *served) declare(apps []nomad.App, instances ...nomad.Instance) {
	g.nomad.overrides(nil)
	g.nomad.report(apps)
	g.nomad.instances.Replace(instances)
}

const webName = "default/shop/web"

// id is the app of a name.
func id(name string) scaler.AppID {
	app, err := scaler.ParseAppID(name)
	if err != nil {
		panic(err)
	}
	return app
}

// policy parses a document for an app.
func policy(t testing.TB, app string, document scaler.Document) scaler.Policy {
	t.Helper()
	of := id(app)
	d := scaler.Document{"namespace": of.Namespace, "job": of.Job, "group": of.Group}
	maps.Copy(d, document)
	p, err := scaler.Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// declared is an app as Nomad reports it.
func declared(t testing.TB, app string, document scaler.Document) nomad.App {
	t.Helper()
	return nomad.App{ID: id(app), Policy: policy(t, app, document), Created: 1}
}

// allocation is an instance of an app as Nomad reports it.
func allocation(app, name string, index int, address string) nomad.Instance {
	return nomad.Instance{ID: name, App: id(app), Index: index, ModifyIndex: 1, Ports: []nomad.Port{{Label: "http", Address: address}}}
}

// url is an app's home at the gateway.
func (g *served) url(app string) string { return "http://" + g.Address() + "/apps/" + app + "/" }

// status is what the admin listener says of an app.
func (g *served) status(t testing.TB, app string) api.AppStatus {
	t.Helper()
	var all []api.AppStatus
	g.admin(t, "/v1/apps", &all)
	n := slices.IndexFunc(all, func(s api.AppStatus) bool { return s.App == id(app) })
	if n < 0 {
		t.Fatalf("there is no app %s", app)
	}
	return all[n]
}

// admin reads an answer of the admin listener.
func (g *served) admin(t testing.TB, path string, answer any) {
	t.Helper()
	text := body(t, get(t, "http://"+g.AdminAddress()+path))
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		t.Fatalf("%s answers %q: %v", path, text, err)
	}
}

// wantStates waits until the instances of the app web are in these states.
func (g *served) wantStates(t testing.TB, want map[string]api.State) {
	t.Helper()
	var got map[string]api.State
	eventually(t, "the instances are in their states", func() bool {
		got = make(map[string]api.State)
		for _, i := range g.status(t, webName).Instances {
			got[i.ID] = i.State
		}
		return maps.Equal(got, want)
	})
}

// instance serves with a handler and returns its address.
func instance(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
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

// get asks for a URL.
func get(t testing.TB, url string) *http.Response {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return response
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
