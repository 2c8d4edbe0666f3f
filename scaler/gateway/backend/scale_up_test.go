package backend_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// The times of growth that tests wait for.
const (
	burstLimit    = 30 * time.Millisecond
	refusedPause  = 250 * time.Millisecond
	errorPause    = time.Second
	desiredTrust  = 5 * time.Second
	watchInterval = time.Second
)

// scaling runs a test with an app and requests for it.
func scaling(t *testing.T, document scaler.Document, test func(t *testing.T, f *fixture, a *backend.App, c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, document)
		test(t, f, a, newCrowd(t, f, a))
	})
}

// awaitBurst waits until a burst has shown its size.
func awaitBurst(t *testing.T) {
	t.Helper()
	time.Sleep(burstLimit + time.Millisecond)
	synctest.Wait()
}

// rereads is how often the count is read within half a minute while requests
// wait and nothing changes.
const rereads = 1 + int(time.Minute/2/desiredTrust)

// A burst at zero takes one call, straight to the count that all of it needs.
func TestScaleUpFromZeroInOneCall(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "target_concurrency_per_instance": "100"}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		for n := range 500 {
			c.send(t.Context(), n)
		}
		awaitBurst(t)
		if scaled, read, _ := f.nomad.calls(); !slices.Equal(scaled, []int{5}) || read != 1 {
			t.Errorf("scaled to %v after %d reads, want once to 5", scaled, read)
		}
		time.Sleep(time.Minute / 2)
		if scaled, read, _ := f.nomad.calls(); len(scaled) != 1 || read > rereads {
			t.Errorf("later: scaled to %v after %d reads, want no more", scaled, read)
		}
		startReady(t, a, "a", 0)
		if served, _ := c.seen(); len(served) != 500 {
			t.Errorf("%d requests were served, want all 500", len(served))
		}
	})
}

// Requests that come while a burst shows its size are part of it.
func TestScaleUpAwaitsTheBurst(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "max_instances": "50", "metric": "concurrency"}
	scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
		for n := range 4 {
			c.send(t.Context(), n)
			time.Sleep(5 * time.Millisecond)
		}
		awaitBurst(t)
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{4}) {
			t.Errorf("scaled to %v, want once to 4", scaled)
		}
	})
}

// While Nomad refuses because of a deployment, the gateway tries again, and it stops
// when no request needs it any more.
func TestScaleUpRetriesWhileNeeded(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "0"}
	t.Run("locked", func(t *testing.T) {
		scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
			f.nomad.scaleErrs = []error{nomad.ErrLocked, nomad.ErrConflict, nomad.ErrLocked, errors.New("no leader")}
			c.send(t.Context(), 0)
			awaitBurst(t)
			time.Sleep(3 * refusedPause)
			synctest.Wait()
			if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1, 1, 1, 1}) || a.Status().ScaleError != "no leader" {
				t.Errorf("scaled to %v, want four times, and the last error %q", scaled, a.Status().ScaleError)
			}
			time.Sleep(errorPause)
			synctest.Wait()
			if scaled, read, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1, 1, 1, 1, 1}) || read != 5 {
				t.Errorf("scaled to %v after %d reads, want the fifth try to be the last", scaled, read)
			}
			if s := a.Status(); s.ScaleError != "" || s.Decision.Rule != scaler.RuleActivate || s.Desired != 1 {
				t.Errorf("the app shows %+v", s)
			}
			want := map[string]int{"scale locked": 2, "scale conflict": 1, "scale error": 1, "scale ok": 1, "decision activate": 5}
			if diff := cmp.Diff(want, f.metrics.seen()); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("no longer needed", func(t *testing.T) {
		scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
			f.nomad.scaleErrs = slices.Repeat([]error{nomad.ErrLocked}, 100)
			ctx, leave := context.WithCancel(t.Context())
			c.send(ctx, 0)
			awaitBurst(t)
			time.Sleep(2 * refusedPause)
			leave()
			time.Sleep(time.Minute)
			synctest.Wait()
			if scaled, _, _ := f.nomad.calls(); len(scaled) != 3 {
				t.Errorf("%d calls to scale, want 3", len(scaled))
			}
			if n := f.running.Load(); n != 0 {
				t.Errorf("the idle app still has %d goroutines", n)
			}
		})
	})
}

// The up cooldown holds the gateway too, to the second, and a step is a step.
func TestScaleUpHonoursCooldownAndStep(t *testing.T) {
	document := scaler.Document{
		"metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "30s", "scale_up_step": "2", "start_timeout": "10m",
	}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.nomad.state.Desired = 1
		f.nomad.state.History.LastUp = time.Now().Add(-10 * time.Second)
		startReady(t, a, "a", 0)
		for n := range 5 {
			c.send(t.Context(), n)
		}
		time.Sleep(20*time.Second - time.Millisecond)
		synctest.Wait()
		if scaled, read, _ := f.nomad.calls(); len(scaled) != 0 || read > 2 {
			t.Fatalf("scaled to %v after %d reads within the cooldown", scaled, read)
		}
		if d := a.Status().Decision; d.Rule != scaler.RuleHold || d.WaitSeconds == 0 {
			t.Errorf("the decision shown is %+v, want that it waits", d)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{3}) {
			t.Errorf("scaled to %v after the cooldown, want to 3", scaled)
		}
	})
}

// The gateway does not scale down, nor above the maximum.
func TestScaleUpOnlyGoesUp(t *testing.T) {
	document := scaler.Document{"max_instances": "2", "metric": "concurrency", "target_concurrency_per_instance": "5", "min_instances": "0"}
	for name, desired := range map[string]int{"above the maximum": 9, "at the maximum": 2, "more than needed": 1} {
		t.Run(name, func(t *testing.T) {
			scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
				f.nomad.state.Desired = desired
				c.send(t.Context(), 0)
				time.Sleep(time.Minute / 2)
				if scaled, read, _ := f.nomad.calls(); len(scaled) != 0 || read == 0 || read > rereads {
					t.Errorf("scaled to %v after %d reads, want never", scaled, read)
				}
			})
		})
	}
}

// The gateway does not know what a custom metric measures: it starts the app from
// zero and leaves the rest to the strategy plugin.
func TestScaleUpByACustomMetricOnlyFromZero(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "custom", "target_per_instance": "1000", "max_concurrency_per_instance": "1"}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		awaitBurst(t)
		if scaled, _, _ := f.nomad.calls(); len(scaled) != 0 {
			t.Fatalf("scaled to %v without a request", scaled)
		}
		for n := range 20 {
			c.send(t.Context(), n)
		}
		awaitBurst(t)
		startReady(t, a, "a", 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("scaled to %v, want once to 1", scaled)
		}
		if l := a.Status().Load; l != nil {
			t.Errorf("the app shows a load of %v, which gateways do not measure", *l)
		}
	})
}

// A request that may not even wait still starts the app.
func TestScaleUpForRefusedRequests(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "max_queued_requests": "0"}
	scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
		c.send(t.Context(), 0)
		awaitBurst(t)
		if _, refused := c.seen(); refused[0].Cause != api.CauseQueueFull {
			t.Errorf("refused %+v, want %s", refused[0], api.CauseQueueFull)
		}
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("scaled to %v, want to 1", scaled)
		}
	})
}

// A request that was refused asks for an instance once: it does not wait for one.
func TestScaleUpForRefusedRequestsIsTriedOnce(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "max_queued_requests": "0"}
	scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
		f.nomad.scaleErrs = slices.Repeat([]error{nomad.ErrLocked}, 100)
		c.send(t.Context(), 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("scaled to %v, want one try", scaled)
		}
		if n := f.running.Load(); n != 0 {
			t.Errorf("the idle app still has %d goroutines", n)
		}
	})
}

// Nothing is scaled on stale knowledge: without an answer there is no call.
func TestScaleUpNeedsAnAnswer(t *testing.T) {
	scaling(t, scaler.Document{"min_instances": "0"}, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
		f.nomad.set(0, errors.New("reading the scale: no leader"))
		c.send(t.Context(), 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if scaled, read, _ := f.nomad.calls(); len(scaled) != 0 || read < 4 || read > 6 {
			t.Errorf("scaled to %v after %d reads, want a read a second", scaled, read)
		}
		f.nomad.set(0, nil)
		time.Sleep(errorPause)
		synctest.Wait()
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1}) {
			t.Errorf("after Nomad was back: scaled to %v, want to 1", scaled)
		}
	})
}

// When instances stop while the gateway waits for a cooldown, it looks again.
func TestScaleUpWhenInstancesStop(t *testing.T) {
	document := scaler.Document{
		"min_instances": "0", "metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "1h", "start_timeout": "2h",
	}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.nomad.state.Desired = 1
		f.nomad.state.History.LastUp = time.Now()
		startReady(t, a, "a", 0)
		for n := range 3 {
			c.send(t.Context(), n)
		}
		awaitBurst(t)
		if scaled, read, _ := f.nomad.calls(); len(scaled) != 0 || read != 1 {
			t.Fatalf("scaled to %v after %d reads within the cooldown", scaled, read)
		}
		f.nomad.set(0, nil)
		gone := allocation(a, "a", 0)
		gone.Gone = true
		a.SetInstance(gone, true, time.Time{})
		awaitBurst(t)
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{3}) {
			t.Errorf("scaled to %v, want to 3 at once, because a start from zero knows no cooldown", scaled)
		}
	})
}

// A count that Nomad does not place is read again after a while, for a request
// that waits alone: it may have been lowered meanwhile, by hand.
func TestScaleUpReadsAgainWhatIsNotPlaced(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "metric": "concurrency", "start_timeout": "10m"}
	scaling(t, document, func(t *testing.T, f *fixture, _ *backend.App, c *crowd) {
		c.send(t.Context(), 0)
		awaitBurst(t)
		f.nomad.set(0, nil)
		time.Sleep(desiredTrust + watchInterval)
		awaitBurst(t)
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{1, 1}) {
			t.Errorf("scaled to %v, want to 1 and again to 1", scaled)
		}
	})
}
