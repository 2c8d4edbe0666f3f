package gateway

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestExactRefusesSeveral(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, scaler.Document{"service_selection_mode": "exact"}))
	a := g.apps.find(appName)
	var at []string
	h := g.selection(func(_ http.ResponseWriter, _ *http.Request, c *call) error { at = append(at, c.place.id()); return nil })
	a.addReady("b", 0)
	if err := serve(h, g.callFor(appName)); err != nil {
		t.Fatalf("with one instance: %v", err)
	}
	a.addReady("a", 1)
	got := asRefusal(serve(h, g.callFor(appName)))
	want := []api.InstanceRef{{ID: "b", Index: 0, Address: "instance-b"}, {ID: "a", Index: 1, Address: "instance-a"}}
	if got.Cause.Status() != http.StatusConflict || got.Cause != api.CauseSeveralInstances {
		t.Errorf("with two instances: got %d %s, want 409 %s", got.Cause.Status(), got.Cause, api.CauseSeveralInstances)
	}
	if diff := cmp.Diff(want, got.Instances); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
	if len(at) != 1 {
		t.Errorf("served at %v, want once", at)
	}
}

// The mode can change while the app runs.
func TestSelectionModeChanges(t *testing.T) {
	g := newGateway(t)
	var at string
	h := g.selection(func(_ http.ResponseWriter, _ *http.Request, c *call) error { at = c.place.id(); return nil })
	for _, test := range []struct{ mode, want string }{{"first", "a"}, {"last", "c"}, {"first", "a"}} {
		n := declared(t, appName, scaler.Document{"service_selection_mode": test.mode})
		if g.apps.find(appName) == nil {
			g.declare(n)
			for i, id := range []string{"a", "b", "c"} {
				g.apps.find(appName).addReady(id, i)
			}
		} else {
			g.apps.report([]nomad.App{n})
		}
		for range 5 {
			if err := serve(h, g.callFor(appName)); err != nil || at != test.want {
				t.Fatalf("%s: got %q (%v), want %q", test.mode, at, err, test.want)
			}
		}
	}
}

// A request that an instance does not accept goes to another, and the instance
// gets no more.
func TestSelectionTriesAnother(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, scaler.Document{"service_selection_mode": "first", "ready_path": "/ready"}))
	a := g.apps.find(appName)
	for i, id := range []string{"a", "b", "c"} {
		a.addReady(id, i)
	}
	offered := map[string]int{}
	h := g.selection(func(_ http.ResponseWriter, _ *http.Request, c *call) error {
		offered[c.place.id()]++
		c.sent = g.now()
		if c.place.id() != "c" {
			return notSent{&net.OpError{Op: "dial", Err: errors.New("refused")}}
		}
		return nil
	})
	for range 3 {
		if err := serve(h, g.callFor(appName)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 3}, offered); diff != "" {
		t.Errorf("offered to (-want +got):\n%s", diff)
	}
	for _, i := range a.status(g.now(), nil).Instances {
		if want := i.ID == "c"; (i.State == api.Ready) != want || i.InFlight != 0 {
			t.Errorf("instance %s is %s with %d in flight", i.ID, i.State, i.InFlight)
		}
	}
}

// An error after something was sent is not tried again.
func TestSelectionDoesNotRepeat(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, nil))
	g.apps.find(appName).addReady("a", 0)
	g.apps.find(appName).addReady("b", 1)
	tries := 0
	h := g.selection(func(http.ResponseWriter, *http.Request, *call) error {
		tries++
		return &api.Refusal{Cause: api.CauseBadAnswer}
	})
	if got := asRefusal(serve(h, g.callFor(appName))); tries != 1 || got.Cause != api.CauseBadAnswer {
		t.Errorf("got %s after %d tries, want %s after one", got.Cause, tries, api.CauseBadAnswer)
	}
}

// A handler that gives up by panicking, as ReverseProxy does when an answer
// breaks off, gives its room back.
func TestSelectionSurvivesPanic(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, nil))
	a := g.apps.find(appName)
	a.addReady("a", 0)
	h := g.count(g.selection(func(http.ResponseWriter, *http.Request, *call) error { panic(http.ErrAbortHandler) }))
	func() {
		defer func() { _ = recover() }()
		_ = serve(h, g.callFor(appName))
	}()
	if s := a.status(g.now(), nil); s.InFlight != 0 {
		t.Errorf("%d requests in flight, want 0", s.InFlight)
	}
	if s := a.meter.Snapshot(g.now()); s.Concurrency != 0 {
		t.Errorf("a concurrency of %d, want 0", s.Concurrency)
	}
}

func TestHashKey(t *testing.T) {
	plain := newGateway(t)
	trusting := newGateway(t, func(c *Config) { c.TrustForwarded = true })
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("X-Session", "s1")
	r.Header.Add("X-Forwarded-For", "203.0.113.1, 203.0.113.2")
	r.Header.Add("X-Forwarded-For", "203.0.113.3, 203.0.113.4")
	r.AddCookie(&http.Cookie{Name: "session", Value: "s2"})
	for _, test := range []struct {
		g    *Gateway
		key  string
		want string
	}{
		{plain, "client_address", "192.0.2.7"},
		{trusting, "client_address", "203.0.113.4"},
		{plain, "header:X-Session", "s1"},
		{plain, "header:X-Other", ""},
		{plain, "cookie:session", "s2"},
		{plain, "cookie:other", ""},
	} {
		p := policy(t, appName, scaler.Document{"service_selection_mode": "hash", "hash_key": test.key})
		if got := test.g.hashKey(&p, r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.key, got, test.want)
		}
	}
	p := policy(t, appName, nil)
	if got := plain.hashKey(&p, r); got != "" {
		t.Errorf("without hash: got %q, want none", got)
	}
}

// When the load calls for fewer instances, new requests keep off the one that
// Nomad would stop.
func TestSelectionSparesTheHighestIndex(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "10", "service_selection_mode": "last"}))
	for i, id := range []string{"a", "b", "c"} {
		g.apps.find(appName).addReady(id, i)
	}
	at := map[string]int{}
	h := g.count(g.selection(func(_ http.ResponseWriter, _ *http.Request, c *call) error { at[c.place.id()]++; return nil }))
	for range 5 {
		if err := serve(h, g.callFor(appName)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"b": 5}, at); diff != "" {
		t.Errorf("requests at (-want +got):\n%s", diff)
	}
}
