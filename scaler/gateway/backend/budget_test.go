package backend_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// budget gives a fixture a budget of waiting requests.
func budget(requests, bytes int64) func(*backend.Config) {
	return func(c *backend.Config) { c.Budget = backend.NewBudget(backend.Usage{Requests: requests, Bytes: bytes}) }
}

// appOf is an app of a job.
func appOf(job string) scaler.AppID {
	return scaler.AppID{Namespace: "default", Job: job, Group: "web"}
}

// A full gateway has room for every app. One that uses less than another gets in,
// and the other loses what came last. None gets more than an equal part while others
// want theirs.
func TestFullBudgetIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 12
		f := newFixture(t, budget(limit, 1<<20))
		var crowds []*crowd
		for _, job := range []string{"flood", "b", "c"} {
			crowds = append(crowds, newCrowd(t, f, f.app(t, appOf(job), nil)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		want := func(queued ...int) {
			t.Helper()
			for i, n := range queued {
				if got := crowds[i].queued(); got != n {
					t.Errorf("%s has %d waiting, want %d", crowds[i].app.Name, got, n)
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
		if got := refused[limit-1]; got.Cause.Status() != 503 || got.Cause != api.CauseGatewayFull || got.RetryAfter == 0 {
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
		if used := f.Budget.Used(); used != (backend.Usage{Requests: limit, Bytes: limit}) {
			t.Errorf("%+v of the budget is used, want all %d requests", used, limit)
		}
		cancel()
		synctest.Wait()
		want(0, 0, 0)
		if used := f.Budget.Used(); used != (backend.Usage{}) {
			t.Errorf("at the end %+v of the budget is used, want nothing", used)
		}
		// Every app may use the whole budget again.
		for n := range limit {
			crowds[0].send(t.Context(), 200+n)
		}
		want(limit, 0, 0)
	})
}

// What waits is bounded in bytes too, and the bytes are shared.
func TestBudgetOfBytesIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const big, small = 60 << 10, 1 << 10
		f := newFixture(t, budget(1000, 4*big))
		a, b := newCrowd(t, f, f.app(t, appOf("a"), nil)), newCrowd(t, f, f.app(t, appOf("b"), nil))
		send := func(c *crowd, number int, memory int64) {
			r := f.request(c.app)
			r.Client = client{memory}
			go c.serve(t.Context(), number, r)
			synctest.Wait()
		}
		for n := range 4 {
			send(a, n, big)
		}
		if a.queued() != 4 {
			t.Fatalf("%d requests wait, want 4", a.queued())
		}
		send(a, 4, small)
		if _, refused := a.seen(); len(refused) != 1 || refused[4].Cause != api.CauseGatewayFull {
			t.Errorf("refused %+v, want the fifth request, because the gateway is full", refused)
		}
		send(b, 0, small)
		if _, refused := b.seen(); len(refused) != 0 || b.queued() != 1 {
			t.Errorf("another app: refused %+v with %d waiting, want that it waits", refused, b.queued())
		}
		if _, refused := a.seen(); len(refused) != 2 || refused[3].Cause != api.CauseGatewayFull {
			t.Errorf("refused %+v, want that the request that came last made room", refused)
		}
		if used := f.Budget.Used(); used != (backend.Usage{Requests: 4, Bytes: 3*big + small}) {
			t.Errorf("%+v of the budget is used", used)
		}
	})
}

// The queue's own bound holds for requests that arrive together while the gateway's
// budget is full.
func TestQueueBoundHoldsWhileTheBudgetIsFull(t *testing.T) {
	const limit, bound, arrivals = 100, 5, 64
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, budget(limit, 1<<20))
		flood, busy := f.app(t, appOf("flood"), nil), f.app(t, appOf("busy"), scaler.Document{"max_queued_requests": "5"})
		for round := range 500 {
			for range limit - int(f.Budget.Used().Requests) {
				go func() { _, _, _ = flood.Acquire(t.Context(), f.request(flood)) }()
			}
			synctest.Wait()
			if used := f.Budget.Used().Requests; used != limit {
				t.Fatalf("round %d: %d requests wait, want the budget of %d to be full", round, used, limit)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var refused atomic.Int64
			var group sync.WaitGroup
			for range arrivals {
				group.Go(func() {
					if _, _, err := busy.Acquire(ctx, f.request(busy)); asRefusal(err).Cause != api.CauseClientLeft {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
			queued, used := busy.Status().Queued, f.Budget.Used().Requests
			if queued > bound || queued+int(refused.Load()) != arrivals {
				t.Fatalf("round %d: %d of %d requests wait and %d were refused, want at most %d to wait",
					round, queued, arrivals, refused.Load(), bound)
			}
			if waiting := queued + flood.Status().Queued; int(used) != waiting {
				t.Fatalf("round %d: %d requests wait, and %d are paid for", round, waiting, used)
			}
			cancel()
			group.Wait()
		}
	})
}
