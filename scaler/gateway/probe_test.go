package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestProbePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tries := 0
	err = newProber().probe(t.Context(), 0, address, "", func(error) {
		if tries++; tries == 3 {
			if l, err = net.Listen("tcp", address); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || tries != 3 {
		t.Errorf("got %v after %d tries, want success with the port open after 3", err, tries)
	}
	_ = l.Close()
}

func TestProbePath(t *testing.T) {
	var asked atomic.Int32
	address := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ready" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.WriteHeader(http.StatusNotFound)
		default:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	})
	var errs []string
	if err := newProber().probe(t.Context(), 0, address, "/ready", func(err error) { errs = append(errs, err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(errs, ", "); got != "/ready answered 503 Service Unavailable, /ready answered 404 Not Found" {
		t.Errorf("before it was ready: %s", got)
	}
}

func TestProbeEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := newProber().probe(ctx, 0, "127.0.0.1:1", "", func(error) {})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the context ended", err)
	}
}
