package backend_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// crowd is requests for an app that stay at their instance until they are let go.
// It is used in a bubble of synctest.
type crowd struct {
	f   *fixture
	app *backend.App
	// letGo ends one request for each value, and all once it is closed.
	letGo chan struct{}
	// end closes letGo.
	end func()

	mu       sync.Mutex
	served   []int          // requests in the order in which they reached an instance
	at, most map[string]int // requests at each instance, now and at most
	refused  map[int]api.Refusal
}

func newCrowd(t testing.TB, f *fixture, a *backend.App) *crowd {
	t.Helper()
	c := &crowd{
		f: f, app: a, letGo: make(chan struct{}),
		at: make(map[string]int), most: make(map[string]int), refused: make(map[int]api.Refusal),
	}
	c.end = sync.OnceFunc(func() { close(c.letGo) })
	t.Cleanup(c.end)
	return c
}

// send sends a request of that number, and waits until it is served, waits or is
// refused. The request leaves with its context.
func (c *crowd) send(ctx context.Context, number int) {
	go c.serve(ctx, number, c.f.request(c.app))
	synctest.Wait()
}

// serve passes a request through the app as the gateway does.
func (c *crowd) serve(ctx context.Context, number int, r *backend.Request) {
	c.app.Begin(r.Arrived)
	defer func() { c.app.End(c.f.Now()) }()
	l, _, err := c.app.Acquire(ctx, r)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused[number] = asRefusal(err)
		return
	}
	result := answered()
	c.mu.Lock()
	c.served = append(c.served, number)
	c.at[l.Instance()]++
	c.most[l.Instance()] = max(c.most[l.Instance()], c.at[l.Instance()])
	c.mu.Unlock()
	<-c.letGo
	c.mu.Lock()
	c.at[l.Instance()]--
	c.mu.Unlock()
	l.Release(result)
}

// letOneGo ends one request, and waits for what follows.
func (c *crowd) letOneGo() {
	c.letGo <- struct{}{}
	synctest.Wait()
}

// seen is what became of the requests so far.
func (c *crowd) seen() (served []int, refused map[int]api.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.served), maps.Clone(c.refused)
}

// inFlight is how many requests an instance has.
func (c *crowd) inFlight(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[id]
}

// queued is how many requests of the app wait.
func (c *crowd) queued() int { return c.app.Status().Queued }

// sameElements reports whether two slices have the same elements, in any order.
func sameElements(a, b []int) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
