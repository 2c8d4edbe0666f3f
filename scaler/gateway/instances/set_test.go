package instances_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/instances"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

var app = scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}

// group is a set of instances with everything around it.
type group struct {
	*instances.Set
	sync.Mutex
	// refuses says what a probe of an address meets.
	refuses map[string]error
	probes  []time.Time
	// events are what the observer was told.
	events []string
	took   []time.Duration
}

func newGroup(t *testing.T) *group {
	t.Helper()
	g := &group{refuses: make(map[string]error)}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() { cancel(); work.Wait() })
	pool := selection.NewPool(selection.New(scaler.SelectFirst, nil), 0)
	g.Set = instances.NewSet(pool, instances.Config{
		Lock: g, Observer: g, Prober: g, Context: ctx, Go: work.Go, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	return g
}

func (g *group) Probe(_ context.Context, address, _ string) error {
	g.Lock()
	defer g.Unlock()
	g.probes = append(g.probes, time.Now())
	return g.refuses[address]
}

func (g *group) note(event string)                   { g.events = append(g.events, event) }
func (g *group) Added(i *instances.Instance, _ bool) { g.note("added " + i.ID) }
func (g *group) Probed()                             {}
func (g *group) Ready(took time.Duration)            { g.note("ready"); g.took = append(g.took, took) }
func (g *group) Draining(id string)                  { g.note("draining " + id) }
func (g *group) Removed(id string)                   { g.note("removed " + id) }
func (g *group) Shrunk()                             { g.note("shrunk") }
func (g *group) Ejected()                            { g.note("ejected") }

// locked runs a call with the lock held, and waits for what follows.
func (g *group) locked(call func()) {
	g.Lock()
	call()
	g.Unlock()
	synctest.Wait()
}

// states are those of all instances by ID.
func (g *group) states() map[string]api.State {
	g.Lock()
	defer g.Unlock()
	states := make(map[string]api.State)
	for i := range g.All() {
		states[i.ID] = i.State
	}
	return states
}

func (g *group) want(t *testing.T, when string, want map[string]api.State) {
	t.Helper()
	if diff := cmp.Diff(want, g.states()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func allocation(id string, index int, modified uint64) nomad.Instance {
	return nomad.Instance{
		ID: id, App: app, Index: index, ModifyIndex: modified,
		Ports: []nomad.Port{{Label: "http", Address: id + ":80"}, {Label: "admin", Address: id + ":90"}},
	}
}

// Instances follow what Nomad says, in whatever order it comes.
func TestInstancesFollowNomad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.locked(func() { g.Update(allocation("a", 0, 1), false, time.Time{}) })
		g.want(t, "before there is a policy", map[string]api.State{"a": api.Starting})
		g.locked(func() { g.Configure("", "") })
		g.locked(func() { g.Update(allocation("b", 1, 2), true, time.Time{}) })
		g.want(t, "with open ports", map[string]api.State{"a": api.Ready, "b": api.Ready})

		stopping := allocation("b", 1, 4)
		stopping.Stopping = true
		g.locked(func() { g.Update(stopping, false, time.Time{}) })
		g.locked(func() { g.Update(allocation("b", 1, 3), false, time.Time{}) })
		g.want(t, "after older news of one that is stopping", map[string]api.State{"a": api.Ready, "b": api.Draining})
		if g.Live() != 1 {
			t.Errorf("%d are live, want 1", g.Live())
		}
		gone := stopping
		gone.Gone, gone.ModifyIndex = true, 5
		g.locked(func() { g.Update(gone, false, time.Time{}) })
		g.want(t, "after it has ended", map[string]api.State{"a": api.Ready})
		g.locked(func() { g.Keep(nil) })
		g.want(t, "when Nomad lists none", map[string]api.State{})

		want := []string{
			"added a", "ready", "added b", "ready", "shrunk", "draining b", "removed b", "removed a", "shrunk",
		}
		if diff := cmp.Diff(want, g.events); diff != "" {
			t.Errorf("the observer was told (-want +got):\n%s", diff)
		}
	})
}

// An instance that failed is remembered until it is replaced or not listed.
func TestFailedInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		failed := allocation("a", 0, 1)
		failed.Gone, failed.Failed = true, true
		retry := time.Now().Add(time.Minute)
		g.locked(func() { g.Update(failed, true, retry) })
		for f := range g.Failed() {
			if f.ID != "a" || !f.Retry.Equal(retry) {
				t.Errorf("failed: %s, replaced at %s", f.ID, f.Retry)
			}
		}
		g.locked(func() { g.Keep(map[string]nomad.Instance{"b": {}}) })
		for f := range g.Failed() {
			t.Errorf("%s is still remembered", f.ID)
		}
	})
}

// A probe is repeated, less and less often, until the instance is ready. Only one
// that began meanwhile tells how long a start takes.
func TestProbesUntilReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.refuses["a:80"] = errors.New("connection refused")
		g.locked(func() { g.Configure("", "") })
		g.locked(func() { g.Update(allocation("a", 0, 1), true, time.Time{}) })
		began := time.Now()
		time.Sleep(10 * time.Second)
		g.want(t, "with a closed port", map[string]api.State{"a": api.Starting})
		if n := len(g.probes); n < 45 || n > 70 {
			t.Errorf("%d probes in ten seconds", n)
		}
		if first, last := g.probes[1].Sub(g.probes[0]), g.probes[len(g.probes)-1].Sub(g.probes[len(g.probes)-2]); first != 25*time.Millisecond || last != 250*time.Millisecond {
			t.Errorf("the pauses went from %s to %s, want from 25ms to 250ms", first, last)
		}
		g.locked(func() { g.refuses["a:80"] = nil })
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		g.want(t, "with an open port", map[string]api.State{"a": api.Ready})
		if took := time.Since(began); len(g.took) != 1 || g.took[0] > took || g.took[0] < took-250*time.Millisecond {
			t.Errorf("the start took %v, want about %s", g.took, took)
		}
		g.locked(func() { g.Update(allocation("b", 1, 2), false, time.Time{}) })
		if last := g.took[len(g.took)-1]; last != 0 {
			t.Errorf("an instance that was there before took %s", last)
		}
	})
}

// The port of the policy says where an instance is reached, from the moment it
// changes.
func TestPortChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.locked(func() { g.Update(allocation("a", 0, 1), false, time.Time{}) })
		for port, want := range map[string]string{"": "a:80", "admin": "a:90", "http": "a:80"} {
			g.locked(func() { g.Configure(port, "") })
			if ref := g.Get("a").Ref(); ref.Address != want || g.Get("a").State != api.Ready {
				t.Errorf("port %q: %+v is %s, want %s", port, ref, g.Get("a").State, want)
			}
		}
		g.locked(func() { g.Configure("none", "") })
		if i := g.Get("a"); i.State != api.Starting || i.Err == nil || !strings.Contains(i.Err.Error(), `"none"`) {
			t.Errorf("without such a port it is %s: %v", i.State, i.Err)
		}
	})
}

// record takes over an attempt's result at an instance.
func (g *group) record(id string, r api.AttemptResult) {
	g.locked(func() { g.Record(id, id+":80", r) })
}

func broken() api.AttemptResult {
	return api.AttemptResult{Phase: api.PhaseSent, Cause: api.CauseBadAnswer, Err: errors.New("it broke off"), Sent: time.Now()}
}

func refused() api.AttemptResult {
	return api.AttemptResult{Phase: api.PhaseNotSent, Cause: api.CauseUnreachable, Err: errors.New("refused"), Refused: true, Sent: time.Now()}
}

// Each ejection after the third failure in a row lasts twice as long, up to a minute,
// and an answer resets that.
func TestEjectionBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.locked(func() { g.Configure("", "") })
		for id, index := range map[string]int{"a": 0, "b": 1} {
			g.locked(func() { g.Update(allocation(id, index, 1), false, time.Time{}) })
		}
		for range 2 {
			g.record("a", broken())
			g.want(t, "after few failures", map[string]api.State{"a": api.Ready, "b": api.Ready})
		}
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			out := time.Duration(seconds) * time.Second
			time.Sleep(time.Millisecond)
			g.record("a", broken())
			time.Sleep(out - time.Millisecond)
			synctest.Wait()
			g.want(t, "just before "+out.String(), map[string]api.State{"a": api.Ejected, "b": api.Ready})
			time.Sleep(time.Millisecond)
			synctest.Wait()
			g.want(t, "after "+out.String(), map[string]api.State{"a": api.Ready, "b": api.Ready})
		}
		time.Sleep(time.Millisecond)
		g.record("a", api.AttemptResult{Phase: api.PhaseAnswered, Status: 500, Sent: time.Now()})
		g.record("a", broken())
		g.want(t, "after an answer and a failure", map[string]api.State{"a": api.Ready, "b": api.Ready})
	})
}

func TestWhatEjects(t *testing.T) {
	client := api.AttemptResult{Phase: api.PhaseSent, Cause: api.CauseClientLeft, Err: errors.New("left")}
	own := api.AttemptResult{Phase: api.PhaseNotSent, Cause: api.CauseUnreachable, Err: errors.New("too many open files")}
	timeout := api.AttemptResult{Phase: api.PhaseSent, Cause: api.CauseRequestTimeout, Err: errors.New("no answer")}
	for name, c := range map[string]struct {
		result api.AttemptResult
		times  int
		alone  bool
		want   api.State
	}{
		"a refused connection, at once":              {refused(), 1, false, api.Ejected},
		"a refused connection of the last instance":  {refused(), 1, true, api.Ejected},
		"an answer that breaks off":                  {broken(), 2, false, api.Ready},
		"three answers that break off":               {broken(), 3, false, api.Ejected},
		"three that break off, of the last instance": {broken(), 3, true, api.Ready},
		"three timeouts":                             {timeout, 3, false, api.Ejected},
		"clients that leave":                         {client, 9, false, api.Ready},
		"the gateway's own fault":                    {own, 9, false, api.Ready},
		"the app's own errors":                       {api.AttemptResult{Phase: api.PhaseAnswered, Status: 500}, 9, false, api.Ready},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGroup(t)
				g.locked(func() { g.Configure("", "") })
				g.locked(func() { g.Update(allocation("a", 0, 1), false, time.Time{}) })
				if !c.alone {
					g.locked(func() { g.Update(allocation("b", 1, 1), false, time.Time{}) })
				}
				g.locked(func() { g.refuses["a:80"] = errors.New("closed") })
				for range c.times {
					c.result.Sent = time.Now()
					g.record("a", c.result)
				}
				if got := g.Get("a").State; got != c.want {
					t.Errorf("it is %s, want %s", got, c.want)
				}
			})
		})
	}
}

// Of the failures that come in at once when an instance dies, one counts, and so does
// none from before it was ejected, or from another address.
func TestEjectCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.locked(func() { g.Configure("", "") })
		g.locked(func() { g.Update(allocation("a", 0, 1), false, time.Time{}) })
		g.locked(func() { g.Record("a", "elsewhere:80", refused()) })
		g.want(t, "after a failure at another address", map[string]api.State{"a": api.Ready})
		sent := refused()
		time.Sleep(time.Second)
		g.locked(func() { g.refuses["a:80"] = errors.New("closed") })
		for range 10 {
			g.record("a", sent)
		}
		ejections := 0
		for _, event := range g.events {
			if event == "ejected" {
				ejections++
			}
		}
		if ejections != 1 {
			t.Errorf("it was ejected %d times, want once", ejections)
		}
	})
}

// Closing ends the probes.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.refuses["a:80"] = errors.New("closed")
		g.locked(func() { g.Configure("", "") })
		g.locked(func() { g.Update(allocation("a", 0, 1), false, time.Time{}) })
		g.locked(g.Close)
		n := len(g.probes)
		time.Sleep(time.Minute)
		if len(g.probes) > n {
			t.Errorf("%d probes after the end", len(g.probes)-n)
		}
		statuses, ready, inFlight := g.Statuses()
		if len(statuses) != 1 || ready != 0 || inFlight != 0 {
			t.Errorf("statuses %v, %d ready, %d in flight", statuses, ready, inFlight)
		}
	})
}
