package gateway_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// An instance is ejected after ejectAfter failures in a row, and first for
// ejectFirst.
const (
	ejectAfter = 3
	ejectFirst = time.Second
)

// An instance that breaks off again and again is out for a while, gets no request
// meanwhile, and is back after a probe. An app's own errors eject nothing.
func TestEjectBreakingInstance(t *testing.T) {
	var broken atomic.Bool
	var seen atomic.Int64
	broken.Store(true)
	first := instance(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	g, url := between(t, first, instance(t, ok))
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
	status := g.status(t, webName).Instances[0]
	if status.State != api.Ejected || status.Error == "" {
		t.Fatalf("the instance shows %+v, want that it is ejected and why", status)
	}
	metrics := g.metrics(t)
	for _, want := range []string{
		fmt.Sprintf("nomadscale_ejections_total{app=%q} 1\n", webName),
		fmt.Sprintf("nomadscale_instances{app=%q,state=\"ejected\"} 1\n", webName),
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
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Ready})
	if out := time.Since(status.Since); out < ejectFirst {
		t.Errorf("it was out for %s, want %s at least", out, ejectFirst)
	}
	for range 2 * ejectAfter {
		if got := post(); got != http.StatusInternalServerError {
			t.Fatalf("got %d, want the instance's own 500", got)
		}
	}
	if s := g.states(t)["a"]; s != api.Ready {
		t.Errorf("an instance with errors of its own is %s", s)
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
	if s := g.states(t)["a"]; s != api.Ready {
		t.Errorf("the last instance is %s", s)
	}
}

// While all instances are ejected, requests wait as they do for one that starts.
// Those that get none are told why.
func TestRequestsWaitForAnEjectedInstance(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"start_timeout": "1s"})}, allocation(webName, "a", 0, address))
	g.wantStates(t, map[string]api.State{"a": api.Ready})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	url := g.url(webName)
	if got := refusal(t, get(t, url)); got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStartTimeout ||
		!strings.Contains(got.Message, "instance a is not ready") {
		t.Errorf("got %+v, want 503 that names the instance", got)
	}
	answers := make(chan error, 1)
	go func() { answers <- fetch(url) }()
	eventually(t, "the request waits", func() bool { return g.status(t, webName).Queued == 1 })
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
