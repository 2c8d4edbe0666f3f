package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// scaling runs a test with an app, requests for it and a Nomad that records.
func scaling(t *testing.T, document scaler.Document, f *fakeNomad, test func(t *testing.T, g *Gateway, c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, with(f))
		g.declare(declared(t, appName, document))
		c := newCrowd(g, appName)
		test(t, g, c)
		close(c.letGo)
		g.stop()
		synctest.Wait()
	})
}

func settled(t *testing.T) {
	t.Helper()
	time.Sleep(settleLimit + time.Millisecond)
	synctest.Wait()
}

// rereads is how often the count is read within half a minute while requests
// wait and nothing changes.
const rereads = 1 + int(time.Minute/2/desiredTrust)

// A burst at zero takes one call, straight to the count that all of it needs.
func TestScaleWakesOnce(t *testing.T) {
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "metric": "concurrency", "target_concurrency_per_instance": "100"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		for n := range 500 {
			c.send(t.Context(), n)
		}
		settled(t)
		if scaled, read, _ := f.calls(); !slices.Equal(scaled, []int{5}) || read != 1 {
			t.Errorf("scaled to %v after %d reads, want once to 5", scaled, read)
		}
		time.Sleep(time.Minute / 2)
		if scaled, read, _ := f.calls(); len(scaled) != 1 || read > rereads {
			t.Errorf("later: scaled to %v after %d reads, want no more", scaled, read)
		}
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
	})
}

// Requests that come while a burst settles are part of it.
func TestScaleSettles(t *testing.T) {
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "max_instances": "50", "metric": "concurrency"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		for n := range 4 {
			c.send(t.Context(), n)
			time.Sleep(5 * time.Millisecond)
		}
		settled(t)
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{4}) {
			t.Errorf("scaled to %v, want once to 4", scaled)
		}
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
	})
}

// While Nomad refuses because of a deployment, the gateway goes on wanting, and
// it stops when nobody needs it any more.
func TestScaleRetriesWhileNeeded(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "0"}
	t.Run("locked", func(t *testing.T) {
		f := &fakeNomad{scaleErrs: []error{nomad.ErrLocked, nomad.ErrConflict, nomad.ErrLocked}}
		scaling(t, document, f, func(t *testing.T, g *Gateway, c *crowd) {
			c.send(t.Context(), 0)
			settled(t)
			time.Sleep(3 * retryPause)
			synctest.Wait()
			if scaled, read, _ := f.calls(); !slices.Equal(scaled, []int{1, 1, 1, 1}) || read != 4 {
				t.Errorf("scaled to %v after %d reads, want the fourth try to be the last", scaled, read)
			}
			if s := g.apps.statuses()[0]; s.ScaleError != "" || s.Decision.Rule != scaler.RuleActivate || s.Desired != 1 {
				t.Errorf("the app shows %+v", s)
			}
			g.apps.find(appName).addReady("a", 0)
			synctest.Wait()
		})
	})
	t.Run("no longer needed", func(t *testing.T) {
		f := &fakeNomad{scaleErrs: slices.Repeat([]error{nomad.ErrLocked}, 100)}
		scaling(t, document, f, func(t *testing.T, g *Gateway, c *crowd) {
			ctx, leave := context.WithCancel(t.Context())
			c.send(ctx, 0)
			settled(t)
			time.Sleep(2 * retryPause)
			leave()
			time.Sleep(time.Minute)
			synctest.Wait()
			if scaled, _, _ := f.calls(); len(scaled) != 3 {
				t.Errorf("%d calls to scale, want 3", len(scaled))
			}
			if g.apps.find(appName).growing {
				t.Error("the app still has a goroutine")
			}
		})
	})
}

// The up cooldown holds the gateway too, to the second, and a step is a step.
func TestScaleHonoursCooldownAndStep(t *testing.T) {
	f := &fakeNomad{state: nomad.Status{Desired: 1}}
	document := scaler.Document{"metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "30s", "scale_up_step": "2", "start_timeout": "10m"}
	scaling(t, document, f, func(t *testing.T, g *Gateway, c *crowd) {
		g.apps.find(appName).addReady("a", 0)
		f.state.History.LastUp = g.now().Add(-10 * time.Second)
		for n := range 5 {
			c.send(t.Context(), n)
		}
		time.Sleep(20*time.Second - time.Millisecond)
		synctest.Wait()
		if scaled, read, _ := f.calls(); len(scaled) != 0 || read > 2 {
			t.Fatalf("scaled to %v after %d reads within the cooldown", scaled, read)
		}
		if d := g.apps.statuses()[0].Decision; d.Rule != scaler.RuleHold || d.WaitSeconds == 0 {
			t.Errorf("the decision shown is %+v, want that it waits", d)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{3}) {
			t.Errorf("scaled to %v after the cooldown, want to 3", scaled)
		}
	})
}

// The way down and a full house are not the gateway's business.
func TestScaleOnlyGoesUp(t *testing.T) {
	for name, state := range map[string]nomad.Status{
		"above the maximum": {Desired: 9},
		"at the maximum":    {Desired: 2},
		"more than needed":  {Desired: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeNomad{state: state}
			scaling(t, scaler.Document{"max_instances": "2", "metric": "concurrency", "target_concurrency_per_instance": "5", "min_instances": "0"}, f, func(t *testing.T, g *Gateway, c *crowd) {
				c.send(t.Context(), 0)
				time.Sleep(time.Minute / 2)
				if scaled, read, _ := f.calls(); len(scaled) != 0 || read == 0 || read > rereads {
					t.Errorf("scaled to %v after %d reads, want never", scaled, read)
				}
				g.apps.find(appName).addReady("a", 0)
				synctest.Wait()
			})
		})
	}
}

// What a custom metric measures the gateway does not know: it wakes the app and
// leaves the rest to the strategy plugin.
func TestScaleCustomOnlyWakes(t *testing.T) {
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "metric": "custom", "target_per_instance": "1000", "max_concurrency_per_instance": "1"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		settled(t)
		if scaled, _, _ := f.calls(); len(scaled) != 0 {
			t.Fatalf("scaled to %v without a request", scaled)
		}
		for n := range 20 {
			c.send(t.Context(), n)
		}
		settled(t)
		g.apps.find(appName).addReady("a", 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("scaled to %v, want once to 1", scaled)
		}
	})
}

// A request that may not even wait still wakes the app.
func TestScaleWakesForRefusedRequests(t *testing.T) {
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "metric": "concurrency", "max_queued_requests": "0"}, f, func(t *testing.T, _ *Gateway, c *crowd) {
		c.send(t.Context(), 0)
		settled(t)
		if _, refused := c.seen(); refused[0].Cause != api.CauseQueueFull {
			t.Errorf("refused %+v, want %s", refused[0], api.CauseQueueFull)
		}
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("scaled to %v, want to 1", scaled)
		}
	})
}

// Nothing is scaled on stale knowledge: without an answer there is no call.
func TestScaleNeedsAnAnswer(t *testing.T) {
	f := &fakeNomad{statusErr: errors.New("reading the scale: no leader")}
	scaling(t, scaler.Document{"min_instances": "0"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		c.send(t.Context(), 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if scaled, read, _ := f.calls(); len(scaled) != 0 || read < 4 || read > 6 {
			t.Errorf("scaled to %v after %d reads, want a read a second", scaled, read)
		}
		f.mu.Lock()
		f.statusErr = nil
		f.mu.Unlock()
		time.Sleep(errorPause)
		synctest.Wait()
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("after Nomad was back: scaled to %v, want to 1", scaled)
		}
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
	})
}

// When instances stop while the gateway waits for a cooldown, it looks again.
func TestScaleLooksAgainWhenInstancesStop(t *testing.T) {
	f := &fakeNomad{state: nomad.Status{Desired: 1}}
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "1h", "start_timeout": "2h"}
	scaling(t, document, f, func(t *testing.T, g *Gateway, c *crowd) {
		a := g.apps.find(appName)
		a.addReady("a", 0)
		f.state.History.LastUp = g.now()
		for n := range 3 {
			c.send(t.Context(), n)
		}
		settled(t)
		f.mu.Lock()
		f.state.Desired = 0
		f.mu.Unlock()
		gone := allocation(appName, "a", 0, "")
		gone.Gone = true
		a.set(gone, true, time.Time{})
		settled(t)
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{3}) {
			t.Errorf("scaled to %v, want to 3 at once, for waking knows no cooldown", scaled)
		}
	})
}

// A count that Nomad does not place is read again after a while, for a request
// that waits alone: it may have been lowered meanwhile, by hand.
func TestScaleReadsAgainWhatIsNotPlaced(t *testing.T) {
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "metric": "concurrency", "start_timeout": "10m"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		c.send(t.Context(), 0)
		settled(t)
		f.mu.Lock()
		f.state.Desired = 0
		f.mu.Unlock()
		time.Sleep(desiredTrust + attendInterval)
		settled(t)
		if scaled, _, _ := f.calls(); !slices.Equal(scaled, []int{1, 1}) {
			t.Errorf("scaled to %v, want to 1 and again to 1", scaled)
		}
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
	})
}
