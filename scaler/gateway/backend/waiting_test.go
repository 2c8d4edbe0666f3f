package backend_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Requests that find no room are served in the order of arrival, each as soon as
// one ends.
func TestWaitingIsFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"max_concurrency_per_instance": "2"})
		c := newCrowd(t, f, a)
		for n := range 6 {
			c.send(t.Context(), n)
		}
		if served, _ := c.seen(); len(served) != 0 || c.queued() != 6 {
			t.Fatalf("at zero: %d served and %d queued, want 0 and 6", len(served), c.queued())
		}
		startReady(t, a, "a", 0)
		if served, _ := c.seen(); !sameElements(served, []int{0, 1}) || c.queued() != 4 {
			t.Fatalf("with room for two: served %v with %d queued, want the first two", served, c.queued())
		}
		for n := 2; n < 6; n++ {
			c.letOneGo()
			if served, _ := c.seen(); len(served) != n+1 || served[n] != n {
				t.Fatalf("after one ended: served %v, want %d next", served, n)
			}
		}
		c.end()
		synctest.Wait()
		if c.most["a"] != 2 {
			t.Errorf("the instance had %d requests at once, want 2", c.most["a"])
		}
		if s := a.Load(); s.Queued != 0 || s.InFlight != 0 {
			t.Errorf("at the end: %d queued and %d in flight, want none", s.Queued, s.InFlight)
		}
		if used := f.Budget.Used(); used != (backend.Usage{}) {
			t.Errorf("at the end %+v of the budget is used, want nothing", used)
		}
	})
}

// A request that comes while others wait does not overtake them.
func TestWaitingIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"max_concurrency_per_instance": "1"})
		startReady(t, a, "a", 0)
		c := newCrowd(t, f, a)
		c.send(t.Context(), 0)
		c.send(t.Context(), 1)
		c.letGo <- struct{}{}
		c.send(t.Context(), 2)
		c.letOneGo()
		if served, _ := c.seen(); !slices.Equal(served, []int{0, 1, 2}) {
			t.Errorf("served %v, want them in order", served)
		}
	})
}

func TestWaitingOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *backend.Config) { c.Budget = backend.NewBudget(backend.Usage{Requests: 5, Bytes: 1 << 20}) })
		otherID := scaler.AppID{Namespace: "default", Job: "other", Group: "web"}
		c := newCrowd(t, f, f.app(t, webID, scaler.Document{"max_queued_requests": "3", "start_timeout": "7s"}))
		o := newCrowd(t, f, f.app(t, otherID, nil))
		for n := range 5 {
			c.send(t.Context(), n)
		}
		for n := range 5 {
			o.send(t.Context(), n)
		}
		_, refused := c.seen()
		for _, n := range []int{3, 4} {
			if got := refused[n]; len(refused) != 2 || got.Cause.Status() != 429 || got.Cause != api.CauseQueueFull || got.RetryAfter != 5 {
				t.Errorf("beyond max_queued_requests: refused %v, want 3 and 4 with 429 and a time to retry", refused)
			}
		}
		_, refused = o.seen()
		for _, n := range []int{2, 3, 4} {
			if got := refused[n]; len(refused) != 3 || got.Cause.Status() != 503 || got.Cause != api.CauseGatewayFull {
				t.Errorf("beyond the gateway's own limit: refused %v, want 2, 3 and 4 with 503", refused)
			}
		}
	})
}

// A request waits for start_timeout, is told why no instance came, and learns from
// earlier starts when to try again.
func TestWaitingTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.nomad.statusErr = errors.New("reading the scale: no leader")
		f.ports.take(2500 * time.Millisecond)
		a := f.app(t, webID, scaler.Document{"start_timeout": "20s"})
		a.SetInstance(allocation(a, "earlier", 0), true, time.Time{})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		a.KeepInstances(nil)
		if s := a.Status(); s.StartSeconds != 2.5 || len(s.Instances) != 0 {
			t.Fatalf("after an earlier start: it took %v s, and there are %v", s.StartSeconds, s.Instances)
		}
		c := newCrowd(t, f, a)
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
		if got.Cause.Status() != 503 || got.Cause != api.CauseStartTimeout || got.RetryAfter != 3 || !strings.Contains(got.Message, "no leader") {
			t.Errorf("got %+v, want 503 with the reason and to retry after 3 s", got)
		}
		if c.queued() != 0 {
			t.Errorf("%d requests are queued, want 0", c.queued())
		}
	})
}

// The time that a request waits counts from its arrival, over all its attempts, and
// Acquire returns how long it waited.
func TestWaitingCountsFromTheArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"start_timeout": "20s"})
		r := f.request(a)
		time.Sleep(15 * time.Second)
		_, waited, err := a.Acquire(t.Context(), r)
		if asRefusal(err).Cause != api.CauseStartTimeout || waited != 5*time.Second {
			t.Errorf("got %v after %s, want a timeout after 5s", err, waited)
		}
	})
}

// A client that leaves gives its place to the next, and nothing is sent for it.
func TestWaitingClientsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"max_queued_requests": "2", "max_concurrency_per_instance": "1"})
		c := newCrowd(t, f, a)
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
		startReady(t, a, "a", 0)
		c.end()
		synctest.Wait()
		if served, _ := c.seen(); !sameElements(served, []int{1, 2}) {
			t.Errorf("served %v, want 1 and 2", served)
		}
	})
}

// leavingClient is a client whose context does not end when it leaves.
type leavingClient struct {
	client
	at time.Time
}

func (c leavingClient) Left() func() bool { return func() bool { return !time.Now().Before(c.at) } }

// A client of which only a check says that it has left is noticed within a second.
func TestWaitingClientsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		r := f.request(a)
		r.Client = leavingClient{at: time.Now().Add(2500 * time.Millisecond)}
		_, waited, err := a.Acquire(t.Context(), r)
		if asRefusal(err).Cause != api.CauseClientLeft || waited != 3*time.Second {
			t.Errorf("got %v after %s, want that the client has left, after 3s", err, waited)
		}
		if n := a.Status().Queued; n != 0 {
			t.Errorf("%d requests are queued, want 0", n)
		}
	})
}

// The first of several instances that start does not get all requests. It gets what
// it can carry until the others are ready too, or take too long.
func TestWaitingIsPacedWhileInstancesStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "2.5", "start_timeout": "60s"})
		c := newCrowd(t, f, a)
		for n := range 9 {
			c.send(t.Context(), n)
		}
		f.ports.close("instance-b", errors.New("not yet"))
		start(a, "b", 1)
		startReady(t, a, "a", 0)
		if c.inFlight("a") != 3 {
			t.Fatalf("the first instance got %d requests, want 3", c.inFlight("a"))
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if c.inFlight("a") != 3 {
			t.Fatalf("while the other starts the first has %d requests, want 3", c.inFlight("a"))
		}
		// The next probe that fails is the clock.
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if c.inFlight("a") != 9 {
			t.Errorf("when the other took too long the first had %d requests, want all 9", c.inFlight("a"))
		}
	})
}

// Where it is known that no instance will start, no request waits for one.
func TestWaitingFailsFast(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, f *fixture, a *backend.App)
		want    api.Cause
	}{
		"Nomad does not answer": {
			func(_ *testing.T, f *fixture, _ *backend.App) { f.lost = errors.New("dial: refused") },
			api.CauseNomadUnreachable,
		},
		"scaling is disabled": {
			func(_ *testing.T, _ *fixture, a *backend.App) {
				p := *a.Policy()
				p.Enabled = false
				a.Configure(nomad.App{ID: a.ID, Policy: p})
			},
			api.CauseNotStarted,
		},
		"the job is stopped": {
			func(_ *testing.T, f *fixture, _ *backend.App) { f.nomad.state.Stopped = true },
			api.CauseNotStarted,
		},
		"the token may not": {
			func(_ *testing.T, f *fixture, _ *backend.App) {
				f.nomad.statusErr = fmt.Errorf("reading: %w", nomad.ErrDenied)
			},
			api.CauseNotStarted,
		},
		"the job is gone": {
			func(_ *testing.T, f *fixture, _ *backend.App) {
				f.nomad.statusErr = fmt.Errorf("reading: %w", nomad.ErrNotFound)
			},
			api.CauseNotStarted,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				a := f.app(t, webID, nil)
				test.prepare(t, f, a)
				c := newCrowd(t, f, a)
				c.send(t.Context(), 0)
				time.Sleep(time.Second)
				synctest.Wait()
				_, refused := c.seen()
				if got := refused[0]; got.Cause.Status() != 503 || got.Cause != test.want || got.RetryAfter == 0 {
					t.Errorf("got %+v, want 503 %s and a time to retry", got, test.want)
				}
			})
		})
	}
}

// An app that is removed leaves no request waiting, and lets none wait.
func TestWaitingEndsWithTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		c := newCrowd(t, f, a)
		c.send(t.Context(), 0)
		a.Remove()
		c.send(t.Context(), 1)
		_, refused := c.seen()
		for n := range 2 {
			if refused[n].Cause != api.CauseNotStarted {
				t.Errorf("request %d got %+v, want that it is not started", n, refused[n])
			}
		}
	})
}

// An instance that has failed a request is not asked again while another is ready.
func TestAnotherInstanceIsPreferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "first"})
		startReady(t, a, "a", 0)
		for _, want := range []string{"a", "b"} {
			r := f.request(a)
			r.Failed = "a"
			l, _, err := a.Acquire(t.Context(), r)
			if err != nil || l.Instance() != want || l.Address() != "instance-"+want {
				t.Errorf("got %q at %q (%v), want %s", l.Instance(), l.Address(), err, want)
			}
			startReady(t, a, "b", 1)
		}
		if l := f.acquire(t, a); l.Instance() != "a" {
			t.Errorf("a request that has not failed got %q, want a", l.Instance())
		}
	})
}

// While all instances are ejected, requests wait as for one that starts, and those
// that wait in vain are told why.
func TestWaitingForAnEjectedInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"start_timeout": "1s"})
		startReady(t, a, "a", 0)
		f.ports.close("instance-a", errors.New("connection refused"))
		f.acquire(t, a).Release(refusedDial())
		if s := states(a)["a"]; s != api.Ejected {
			t.Fatalf("the instance is %q, want that it is ejected", s)
		}
		c := newCrowd(t, f, a)
		c.send(t.Context(), 0)
		time.Sleep(time.Second)
		synctest.Wait()
		_, refused := c.seen()
		got := refused[0]
		if got.Cause.Status() != 503 || got.Cause != api.CauseStartTimeout || !strings.Contains(got.Message, "instance a is not ready") {
			t.Errorf("got %+v, want 503 that names the instance", got)
		}
		c.send(t.Context(), 1)
		if c.queued() != 1 {
			t.Errorf("%d requests wait, want 1", c.queued())
		}
		f.ports.close("instance-a", nil)
		time.Sleep(time.Second / 2)
		synctest.Wait()
		if served, _ := c.seen(); !slices.Equal(served, []int{1}) {
			t.Errorf("after the instance is back: served %v, want 1", served)
		}
	})
}

// refusedDial is the result of an attempt at an instance that accepts no connection.
func refusedDial() api.AttemptResult {
	return api.AttemptResult{
		Phase: api.PhaseNotSent, Cause: api.CauseUnreachable, Refused: true,
		Err: errors.New("dial: connection refused"), Sent: time.Now(),
	}
}
