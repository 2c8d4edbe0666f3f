package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// running is a gateway that runs until the test ends.
type running struct {
	*gateway.Gateway
	// token is that of its admin listener.
	token string
	// stop ends the gateway and returns what Run did.
	stop func() error
}

// run runs a gateway.
func run(t testing.TB, config gateway.Config) *running {
	t.Helper()
	config.Listen = "127.0.0.1:0"
	if config.Log == nil && testing.Verbose() {
		config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stopped := false
	stop := func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := stop(); err != nil {
			t.Errorf("ending the gateway: %v", err)
		}
	})
	return &running{Gateway: g, token: config.AdminToken, stop: stop}
}

// served is a gateway that runs on a fake Nomad.
type served struct {
	*running
	nomad *fakeNomad
}

// serve runs a gateway that knows no apps yet.
func serve(t testing.TB, change ...func(*gateway.Config)) *served {
	t.Helper()
	f := newFakeNomad()
	config := gateway.Config{Nomad: f, DrainTimeout: 10 * time.Second}
	for _, c := range change {
		c(&config)
	}
	g := &served{run(t, config), f}
	<-f.watching
	return g
}

// fronting runs a gateway in front of one instance, a of the app web.
func fronting(t testing.TB, document scaler.Document, h http.HandlerFunc, change ...func(*gateway.Config)) (g *served, url string) {
	t.Helper()
	address := instance(t, h)
	g = serve(t, change...)
	g.declare([]nomad.App{declared(t, webName, document)}, allocation(webName, "a", 0, address))
	return g, strings.TrimSuffix(g.url(webName), "/")
}

// declare makes apps known to the gateway, and that there are no overrides and only
// these instances.
func (g *served) declare(apps []nomad.App, instances ...nomad.Instance) {
	g.nomad.overrides(nil)
	g.nomad.report(apps)
	g.nomad.instances.Replace(instances)
}

const webName = "default/shop/web"

var webID = id(webName)

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
func (g *running) url(app string) string { return "http://" + g.Address() + "/apps/" + app + "/" }

// statuses is what the admin listener says of all apps.
func (g *running) statuses(t testing.TB) (all []api.AppStatus) {
	t.Helper()
	g.admin(t, "/v1/apps", &all)
	return all
}

// find is what the admin listener says of an app, if there is one.
func (g *running) find(t testing.TB, app string) (status api.AppStatus, found bool) {
	t.Helper()
	all := g.statuses(t)
	n := slices.IndexFunc(all, func(s api.AppStatus) bool { return s.App == id(app) })
	if n < 0 {
		return status, false
	}
	return all[n], true
}

// status is what the admin listener says of an app.
func (g *running) status(t testing.TB, app string) api.AppStatus {
	t.Helper()
	status, found := g.find(t, app)
	if !found {
		t.Fatalf("there is no app %s", app)
	}
	return status
}

// underWay is how many requests are at instances or wait for one.
func (g *running) underWay(t testing.TB) (n int) {
	t.Helper()
	for _, s := range g.statuses(t) {
		n += s.InFlight + s.Queued
	}
	return n
}

// metrics is what the gateway has counted.
func (g *running) metrics(t testing.TB) string {
	t.Helper()
	return body(t, g.ask(t, "/metrics"))
}

// ask asks the admin listener.
func (g *running) ask(t testing.TB, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.AdminAddress()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// ready reports whether the gateway says that it takes requests.
func (g *running) ready(t testing.TB) bool {
	t.Helper()
	response := g.ask(t, "/readyz")
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// reachesNomad reports whether the gateway says that Nomad answers.
func (g *running) reachesNomad(t testing.TB) bool {
	t.Helper()
	return strings.Contains(g.metrics(t), "\nnomadscale_nomad_reachable 1\n")
}

// admin reads an answer of the admin listener.
func (g *running) admin(t testing.TB, path string, answer any) {
	t.Helper()
	response := g.ask(t, path)
	text := body(t, response)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", path, response.Status, text)
	}
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		t.Fatalf("%s answers %q: %v", path, text, err)
	}
}

// wantStates waits until the instances of the app web are in these states.
func (g *running) wantStates(t testing.TB, want map[string]api.State) {
	t.Helper()
	eventually(t, "the instances are in their states", func() bool { return maps.Equal(g.states(t), want) })
}

// states are the instances of the app web by ID.
func (g *running) states(t testing.TB) map[string]api.State {
	t.Helper()
	states := make(map[string]api.State)
	for _, i := range g.status(t, webName).Instances {
		states[i.ID] = i.State
	}
	return states
}

// ok is an instance that answers 200.
func ok(http.ResponseWriter, *http.Request) {}

// echo is an instance that answers with the body of the request.
func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

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
			t.Fatalf("it did not happen that %s", what)
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

// send sends a request with a body.
func send(t testing.TB, method, url, body string, header http.Header) *http.Response {
	t.Helper()
	// The reader's type would let the client set the length by itself.
	r, err := http.NewRequest(method, url, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(body))
	if body == "" {
		r.Body = nil
	}
	if header.Get("Transfer-Encoding") == "chunked" {
		r.ContentLength = -1
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// raw sends bytes to the gateway as they are.
func raw(t testing.TB, g *served, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", g.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// refusal reads an answer of the gateway's own.
func refusal(t testing.TB, response *http.Response) api.Refusal {
	t.Helper()
	text := body(t, response)
	var r api.Refusal
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%s is no refusal: %q (%v)", response.Status, text, err)
	}
	if response.StatusCode != r.Cause.Status() {
		t.Errorf("answered %s with the cause %s", response.Status, r.Cause)
	}
	if retry := response.Header.Get("Retry-After"); r.RetryAfter > 0 && retry != fmt.Sprint(r.RetryAfter) {
		t.Errorf("Retry-After is %q, and %d in the body", retry, r.RetryAfter)
	}
	return r
}

// pause waits, and reports whether the context has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
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
