package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// crowd is requests that go through hold and selection and then stay at their
// instance until they are let go.
type crowd struct {
	g       *Gateway
	app     string
	letGo   chan struct{}
	mu      sync.Mutex
	served  []int          // requests in the order in which they reached an instance
	at      map[string]int // requests at each instance
	most    map[string]int
	refused map[int]api.Refusal
}

func newCrowd(g *Gateway, app string) *crowd {
	c := &crowd{g: g, app: app, letGo: make(chan struct{}), at: map[string]int{}, most: map[string]int{}, refused: map[int]api.Refusal{}}
	return c
}

// send sends a request of that number, which ends with its context at the latest.
func (c *crowd) send(ctx context.Context, number int) {
	chain := c.g.count(c.g.hold(c.g.selection(func(_ http.ResponseWriter, _ *http.Request, k *call) error {
		c.mu.Lock()
		c.served = append(c.served, number)
		c.at[k.place.id()]++
		c.most[k.place.id()] = max(c.most[k.place.id()], c.at[k.place.id()])
		c.mu.Unlock()
		<-c.letGo
		c.mu.Lock()
		c.at[k.place.id()]--
		c.mu.Unlock()
		return nil
	})))
	go func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		if err := chain(httptest.NewRecorder(), r, c.g.callFor(c.app)); err != nil {
			c.mu.Lock()
			c.refused[number] = asRefusal(err)
			c.mu.Unlock()
		}
	}()
	synctest.Wait()
}

// seen is what became of the requests so far.
func (c *crowd) seen() (served []int, refused map[int]api.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.served), maps.Clone(c.refused)
}

// atOnce is how many requests an instance has.
func (c *crowd) atOnce(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[id]
}

func (c *crowd) queued() int { return c.g.apps.find(c.app).status(c.g.now(), nil).Queued }

// Requests that find no room are served in the order in which they came, each as
// soon as one ends.
func TestHoldIsFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"max_concurrency_per_instance": "2"}))
		c := newCrowd(g, appName)
		for n := range 6 {
			c.send(t.Context(), n)
		}
		if served, _ := c.seen(); len(served) != 0 || c.queued() != 6 {
			t.Fatalf("at zero: %d served and %d queued, want 0 and 6", len(served), c.queued())
		}
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
		if served, _ := c.seen(); !sameElements(served, []int{0, 1}) || c.queued() != 4 {
			t.Fatalf("with room for two: served %v with %d queued, want the first two", served, c.queued())
		}
		for n := 2; n < 6; n++ {
			c.letGo <- struct{}{}
			synctest.Wait()
			if served, _ := c.seen(); len(served) != n+1 || served[n] != n {
				t.Fatalf("after one ended: served %v, want %d next", served, n)
			}
		}
		close(c.letGo)
		synctest.Wait()
		if c.most["a"] != 2 {
			t.Errorf("the instance had %d requests at once, want 2", c.most["a"])
		}
		if s := g.apps.find(appName).meter.Snapshot(g.now()); s.Queued != 0 || s.InFlight != 0 {
			t.Errorf("at the end: %d queued and %d in flight, want none", s.Queued, s.InFlight)
		}
		if g.held.total != (holding{}) {
			t.Errorf("held at the end: %+v, want nothing", g.held.total)
		}
	})
}

func sameElements(a, b []int) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// A request that comes while others wait does not overtake them.
func TestHoldDoesNotLetOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"max_concurrency_per_instance": "1"}))
		a := g.apps.find(appName)
		a.addReady("a", 0)
		c := newCrowd(g, appName)
		c.send(t.Context(), 0)
		c.send(t.Context(), 1)
		c.letGo <- struct{}{}
		c.send(t.Context(), 2)
		c.letGo <- struct{}{}
		synctest.Wait()
		if served, _ := c.seen(); !slices.Equal(served, []int{0, 1, 2}) {
			t.Errorf("served %v, want them in order", served)
		}
		close(c.letGo)
		synctest.Wait()
	})
}

func TestHoldOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, func(c *Config) { c.MaxHeldRequests = 5 })
		other := "default/other/web"
		g.declare(
			declared(t, appName, scaler.Document{"max_queued_requests": "3", "start_timeout": "7s"}),
			declared(t, other, nil),
		)
		ctx, cancel := context.WithCancel(t.Context())
		c, o := newCrowd(g, appName), newCrowd(g, other)
		for n := range 5 {
			c.send(ctx, n)
		}
		for n := range 5 {
			o.send(ctx, n)
		}
		if _, refused := c.seen(); len(refused) != 2 || refused[3].Cause.Status() != http.StatusTooManyRequests || refused[3].Cause != api.CauseQueueFull || refused[3].RetryAfter != 5 {
			t.Errorf("beyond max_queued_requests: refused %v, want 3 and 4 with 429 and a time to retry", refused)
		}
		if _, refused := o.seen(); len(refused) != 3 || refused[2].Cause.Status() != http.StatusServiceUnavailable || refused[2].Cause != api.CauseGatewayFull {
			t.Errorf("beyond the gateway's own limit: refused %v, want 2, 3 and 4 with 503", refused)
		}
		cancel()
		synctest.Wait()
	})
}

// A request waits for start_timeout, is told why nothing came, and learns from
// earlier starts when to try again.
func TestHoldTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeNomad{statusErr: errors.New("reading the scale: no leader")}
		g := newGateway(t, with(f))
		g.declare(declared(t, appName, scaler.Document{"start_timeout": "20s"}))
		g.apps.find(appName).start = 2500 * time.Millisecond
		c := newCrowd(g, appName)
		c.send(t.Context(), 0)
		time.Sleep(20*time.Second - time.Nanosecond)
		synctest.Wait()
		if _, refused := c.seen(); len(refused) != 0 {
			t.Fatalf("refused %v before start_timeout", refused)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		_, refused := c.seen()
		got := refused[0]
		if got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStartTimeout || got.RetryAfter != 3 || !strings.Contains(got.Message, "no leader") {
			t.Errorf("got %+v, want 503 with the reason and to retry after 3 s", got)
		}
		if c.queued() != 0 {
			t.Errorf("%d requests are queued, want 0", c.queued())
		}
	})
}

// A client that leaves gives its place to the next, and nothing is sent for it.
func TestHoldLetsClientsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"max_queued_requests": "2", "max_concurrency_per_instance": "1"}))
		c := newCrowd(g, appName)
		impatient, leave := context.WithCancel(t.Context())
		c.send(impatient, 0)
		c.send(t.Context(), 1)
		leave()
		synctest.Wait()
		if _, refused := c.seen(); refused[0].Cause != api.CauseClientLeft {
			t.Errorf("the client that left: %+v", refused[0])
		}
		c.send(t.Context(), 2)
		if _, refused := c.seen(); len(refused) != 1 {
			t.Errorf("the place was not freed: %+v", refused)
		}
		g.apps.find(appName).addReady("a", 0)
		close(c.letGo)
		synctest.Wait()
		if served, _ := c.seen(); !sameElements(served, []int{1, 2}) {
			t.Errorf("served %v, want 1 and 2", served)
		}
	})
}

// The first of several instances that start does not get everybody: until the
// others are ready too, or take too long, it gets what it can carry.
func TestHoldPacesWhileInstancesStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "2.5", "start_timeout": "60s"}))
		a := g.apps.find(appName)
		c := newCrowd(g, appName)
		for n := range 9 {
			c.send(t.Context(), n)
		}
		starting := &instance{Instance: nomad.Instance{ID: "b"}, state: api.Starting, since: g.now()}
		a.mu.Lock()
		starting.slot = a.pool.Add("b", 1, "")
		a.instances["b"] = starting
		a.live++
		a.mu.Unlock()
		a.addReady("a", 0)
		synctest.Wait()
		if c.atOnce("a") != 3 {
			t.Fatalf("the first instance got %d requests, want 3", c.atOnce("a"))
		}
		time.Sleep(31 * time.Second)
		a.tried(t.Context(), starting, errors.New("not yet"))
		synctest.Wait()
		if c.atOnce("a") != 9 {
			t.Errorf("when the other took too long the first had %d requests, want all 9", c.atOnce("a"))
		}
		close(c.letGo)
		synctest.Wait()
	})
}

// Where it is known that nothing is going to start, nobody waits for it.
func TestHoldRefusesWithoutHope(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*Gateway)
		want    api.Cause
	}{
		"Nomad does not answer": {func(g *Gateway) { g.apps.Lost(errors.New("dial: refused")) }, api.CauseNomadUnreachable},
		"scaling is disabled": {func(g *Gateway) {
			p := *g.apps.find(appName).policy.Load()
			p.Enabled = false
			g.declare(nomad.App{ID: p.App, Policy: p})
		}, api.CauseNotStarted},
		"the job is stopped": {func(g *Gateway) { g.config.Nomad.(*fakeNomad).state.Stopped = true }, api.CauseNotStarted},
		"the token may not": {func(g *Gateway) {
			g.config.Nomad.(*fakeNomad).statusErr = fmt.Errorf("reading: %w", nomad.ErrDenied)
		}, api.CauseNotStarted},
		"the job is gone": {func(g *Gateway) {
			g.config.Nomad.(*fakeNomad).statusErr = fmt.Errorf("reading: %w", nomad.ErrNotFound)
		}, api.CauseNotStarted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t)
				g.declare(declared(t, appName, nil))
				test.prepare(g)
				c := newCrowd(g, appName)
				c.send(t.Context(), 0)
				time.Sleep(time.Second)
				synctest.Wait()
				_, refused := c.seen()
				if got := refused[0]; got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != test.want || got.RetryAfter == 0 {
					t.Errorf("got %+v, want 503 %s and a time to retry", got, test.want)
				}
				g.stop()
				synctest.Wait()
			})
		})
	}
}

// An app that is removed leaves nobody waiting.
func TestHoldEndsWithTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, nil))
		c := newCrowd(g, appName)
		c.send(t.Context(), 0)
		g.declare()
		synctest.Wait()
		if _, refused := c.seen(); refused[0].Cause != api.CauseNotStarted {
			t.Errorf("got %+v, want that it is not started", refused[0])
		}
	})
}
