package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// The first failures cost a probe, and each one after ejectAfter twice the time.
func TestEjectionGrows(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: 0, 2: 0, 3: time.Second, 4: 2 * time.Second, 5: 4 * time.Second, 8: 32 * time.Second, 9: time.Minute, 10: time.Minute, 1000: time.Minute,
	} {
		if got := ejection(failures); got != want {
			t.Errorf("after %d failures: out for %s, want %s", failures, got, want)
		}
	}
}

// An instance that breaks off again and again is out for a while, gets no request
// meanwhile, and is back after a probe. An app's own errors eject nothing.
func TestEjectBreakingInstance(t *testing.T) {
	var broken atomic.Bool
	var seen atomic.Int64
	broken.Store(true)
	first := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	g, url := between(t, first, upstreamServer(t, ok))
	post := func() int {
		response := send(t, http.MethodPost, url, "", nil)
		response.Body.Close()
		return response.StatusCode
	}
	for range ejectAfter {
		if got := post(); got != http.StatusBadGateway {
			t.Fatalf("got %d, want 502", got)
		}
	}
	status := g.apps.find(appName).status(g.now(), nil).Instances[0]
	if status.State != api.Ejected || status.Error == "" {
		t.Fatalf("the instance shows %+v, want that it is ejected and why", status)
	}
	metrics := body(t, get(t, "http://"+g.AdminAddress()+"/metrics"))
	for _, want := range []string{
		fmt.Sprintf("nomadscale_ejections_total{app=%q} 1\n", appName),
		fmt.Sprintf("nomadscale_instances{app=%q,state=\"ejected\"} 1\n", appName),
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	broken.Store(false)
	for range 10 {
		if got := post(); got != http.StatusOK {
			t.Errorf("got %d, want the other instance's answer", got)
		}
	}
	if got := seen.Load(); got != ejectAfter {
		t.Errorf("the instance had %d requests, want %d", got, ejectAfter)
	}
	wantStates(t, g, map[string]api.State{"a": api.Ready, "b": api.Ready})
	if out := g.now().Sub(status.Since); out < ejectFirst {
		t.Errorf("it was out for %s, want %s at least", out, ejectFirst)
	}
	for range 2 * ejectAfter {
		if got := post(); got != http.StatusInternalServerError {
			t.Fatalf("got %d, want the instance's own 500", got)
		}
	}
	if s := g.states(appName)["a"]; s != api.Ready {
		t.Errorf("an instance with errors of its own is %s", s)
	}
}

// Of the failures that come in at once when an instance dies, one counts, and so
// does none from before it was ejected.
func TestEjectCountsOnce(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, scaler.Document{"service_selection_mode": "first", "ready_path": "/never"}))
	a := g.apps.find(appName)
	a.addReady("a", 0)
	a.addReady("b", 1)
	refused := &outcome{sent: g.now(), err: io.EOF, refused: true}
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.instances["a"].slot
	for range 10 {
		a.assess(place{slot, slot.Address}, refused)
	}
	if got := a.instances["a"].failures; got != 1 {
		t.Errorf("%d failures count, want 1", got)
	}
}

// The last instance stays as long as it accepts connections.
func TestLastInstanceIsKept(t *testing.T) {
	g, url := fronting(t, nil, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for range 2 * ejectAfter {
		if got := refusal(t, send(t, http.MethodPost, url+"/", "", nil)); got.Cause != api.CauseBadAnswer {
			t.Errorf("got %+v, want 502", got)
		}
	}
	if s := g.states(appName)["a"]; s != api.Ready {
		t.Errorf("the last instance is %s", s)
	}
}

// While all instances are ejected, requests wait as for one that starts, and those
// that wait in vain are told what is the matter.
func TestRequestsWaitForAnEjectedInstance(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	g := newGateway(t)
	g.declare(declared(t, appName, scaler.Document{"start_timeout": "1s"}))
	running(t, g)
	g.apps.Update(allocation(appName, "a", 0, address))
	wantStates(t, g, map[string]api.State{"a": api.Ready})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	url := "http://" + g.Address() + "/apps/" + appName + "/"
	if got := refusal(t, get(t, url)); got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStartTimeout || !strings.Contains(got.Message, "instance a is not ready") {
		t.Errorf("got %+v, want 503 that names the instance", got)
	}
	answers := make(chan error, 1)
	go func() { answers <- fetch(url) }()
	eventually(t, "the request waits", func() bool { return g.holds() == 1 })
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(ok)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	if err := <-answers; err != nil {
		t.Errorf("after the instance is back: %v", err)
	}
}

// A gateway that has run out of files or ports blames no instance.
func TestOwnFaultsEjectNothing(t *testing.T) {
	for err, want := range map[error]bool{syscall.ECONNREFUSED: true, syscall.EHOSTUNREACH: true, syscall.EMFILE: false, syscall.EADDRNOTAVAIL: false} {
		if got := refusedDial(&net.OpError{Op: "dial", Err: err}); got != want {
			t.Errorf("%v is the instance's: %t, want %t", err, got, want)
		}
	}
}
