package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// A full gateway has room for every app: one that holds less than another gets
// in, and the other loses what came last; nobody gets more than an equal part
// while others want theirs.
func TestSharesOfAFullGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 12
		g := newGateway(t, func(c *Config) { c.MaxHeldRequests = limit })
		apps := []string{"default/flood/web", "default/b/web", "default/c/web"}
		g.declare(declared(t, apps[0], nil), declared(t, apps[1], nil), declared(t, apps[2], nil))
		ctx, cancel := context.WithCancel(t.Context())
		crowds := make([]*crowd, len(apps))
		for i, app := range apps {
			crowds[i] = newCrowd(g, app)
		}
		want := func(queued ...int) {
			t.Helper()
			for i, n := range queued {
				if got := crowds[i].queued(); got != n {
					t.Errorf("%s holds %d, want %d", apps[i], got, n)
				}
			}
		}
		for n := range 2 * limit {
			crowds[0].send(ctx, n)
		}
		want(limit, 0, 0)
		crowds[1].send(ctx, 0)
		want(limit-1, 1, 0)
		_, refused := crowds[0].seen()
		if got := refused[limit-1]; got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseGatewayFull || got.RetryAfter == 0 {
			t.Errorf("the last of the flood got %+v, want 503 gateway_full", got)
		}
		if _, ok := refused[0]; ok {
			t.Error("the first of the flood was refused")
		}
		for n := range limit {
			crowds[1].send(ctx, 1+n)
		}
		want(limit/2, limit/2, 0)
		for n := range limit {
			crowds[2].send(ctx, n)
			crowds[0].send(ctx, 100+n)
		}
		want(limit/3, limit/3, limit/3)
		cancel()
		synctest.Wait()
		if g.held.total != (holding{}) || len(g.held.of) != 0 {
			t.Errorf("held at the end: %+v of %d apps, want nothing", g.held.total, len(g.held.of))
		}
	})
}

// Large headers count: what is held is bounded in bytes too, and shared by them.
func TestSharesOfBytes(t *testing.T) {
	big, small := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRequest(http.MethodGet, "/", nil)
	big.Header.Set("Cookie", strings.Repeat("x", 60<<10))
	g := newGateway(t, func(c *Config) { c.MaxHeldBytes = 4 * heldCost(big) })
	g.declare(declared(t, "default/a/web", nil), declared(t, "default/b/web", nil))
	a, b := g.apps.find("default/a/web"), g.apps.find("default/b/web")
	wait := func(a *app, r *http.Request) (*turn, error) {
		return a.enqueue(g.callFor(a.name), heldCost(r))
	}
	var turns []*turn
	for range 4 {
		waits, err := wait(a, big)
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, waits)
	}
	if _, err := wait(a, small); asRefusal(err).Cause != api.CauseGatewayFull {
		t.Errorf("got %v, want that the gateway is full", err)
	}
	if _, err := wait(b, small); err != nil {
		t.Errorf("another app: %v", err)
	}
	if last := <-turns[3].granted; asRefusal(last.err).Cause != api.CauseGatewayFull {
		t.Errorf("the request that came last got %+v, want that it made room", last)
	}
}

// The whole cost of what is held is its header: no body is read before there is
// an instance, except for what HTTP/2 takes in of itself.
func TestHeldCost(t *testing.T) {
	post := func(version int, length int64) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
		r.ProtoMajor, r.ContentLength = version, length
		return r
	}
	head := heldCost(post(1, 0))
	for _, test := range []struct {
		version int
		length  int64
		body    int64
	}{{1, 1 << 30, 0}, {1, -1, 0}, {2, 0, 0}, {2, 100, 100}, {2, 1 << 30, streamBuffer}, {2, -1, streamBuffer}} {
		if got := heldCost(post(test.version, test.length)) - head; got != test.body {
			t.Errorf("HTTP/%d with a body of %d bytes costs %d more than its head, want %d", test.version, test.length, got, test.body)
		}
	}
}

type countedBody struct{ reads atomic.Int64 }

func (b *countedBody) Read(p []byte) (int, error) { b.reads.Add(1); return len(p), nil }

func TestHoldReadsNoBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"start_timeout": "10s"}))
		body := new(countedBody)
		r := httptest.NewRequest(http.MethodPost, "/", body)
		chain := g.limit(g.count(g.hold(g.selection(nil))))
		err := chain(httptest.NewRecorder(), r, g.callFor(appName))
		if asRefusal(err).Cause != api.CauseStartTimeout || body.reads.Load() != 0 {
			t.Errorf("got %v after %d reads of the body, want a timeout after none", err, body.reads.Load())
		}
	})
}

// The queue's own bound holds for requests that arrive together while the
// gateway's budget is full.
func TestQueueBoundHoldsWhileTheBudgetIsFull(t *testing.T) {
	const limit, bound, arrivals = 100, 5, 64
	g := newGateway(t, func(c *Config) { c.MaxHeldRequests = limit })
	flood, busy := "default/flood/web", "default/busy/web"
	g.declare(declared(t, flood, nil), declared(t, busy, scaler.Document{"max_queued_requests": "5"}))
	a, b := g.apps.find(flood), g.apps.find(busy)
	for round := range 500 {
		for g.holds() < limit {
			if _, err := a.enqueue(g.callFor(flood), 1); err != nil {
				t.Fatal(err)
			}
		}
		turns := make(chan *turn, arrivals)
		var group sync.WaitGroup
		for range arrivals {
			group.Go(func() {
				if waits, err := b.enqueue(g.callFor(busy), 1); err == nil {
					turns <- waits
				}
			})
		}
		group.Wait()
		close(turns)
		if n := len(turns); n > bound {
			t.Fatalf("round %d: %d requests wait, want at most %d", round, n, bound)
		}
		for waits := range turns {
			b.leave(waits)
		}
	}
	if held := g.held.of[b]; held != (holding{}) {
		t.Errorf("refused requests still use %+v of the budget", held)
	}
}
