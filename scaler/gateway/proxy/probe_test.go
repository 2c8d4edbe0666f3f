package proxy_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

func TestProbePort(t *testing.T) {
	address := closed(t)
	if err := proxy.NewProber().Probe(t.Context(), address, ""); err == nil {
		t.Error("an instance whose port is closed is ready")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := proxy.NewProber().Probe(t.Context(), address, ""); err != nil {
		t.Errorf("with the port open: %v", err)
	}
}

func TestProbePath(t *testing.T) {
	status := 0
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ready" || r.UserAgent() != "nomadscale-probe" {
			t.Errorf("%s asked for %s", r.UserAgent(), r.URL.Path)
		}
		// A redirect that was followed would not be to /ready.
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	})
	for want, message := range map[int]string{
		http.StatusOK: "", http.StatusNoContent: "", http.StatusFound: "",
		http.StatusNotFound:           "/ready answered 404 Not Found",
		http.StatusServiceUnavailable: "/ready answered 503 Service Unavailable",
	} {
		status = want
		got := ""
		if err := proxy.NewProber().Probe(t.Context(), address, "/ready"); err != nil {
			got = err.Error()
		}
		if got != message {
			t.Errorf("%d: got %q, want %q", status, got, message)
		}
	}
	if err := proxy.NewProber().Probe(t.Context(), closed(t), "/ready"); err == nil {
		t.Error("an instance whose port is closed is ready")
	}
}

// A probe that gets no answer ends, with its context or by itself.
func TestProbeEnds(t *testing.T) {
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, ends := range []time.Duration{50 * time.Millisecond, testTimeout} {
		ctx, cancel := context.WithTimeout(t.Context(), ends)
		defer cancel()
		if err := proxy.NewProber().Probe(ctx, address, "/ready"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the time was over", err)
		}
		if ends == testTimeout && ctx.Err() != nil {
			t.Error("the probe did not end by itself")
		}
	}
}
