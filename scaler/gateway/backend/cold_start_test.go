package backend_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// place tells an app at a moment of a new instance, which is ready 200 ms later.
func place(a *backend.App, id string, index int, at time.Time) {
	time.Sleep(time.Until(at))
	a.SetInstance(allocation(a, id, index), true, time.Time{})
}

func TestColdStart(t *testing.T) {
	for name, test := range map[string]struct {
		// events bring the app from zero to an instance that is ready 230 ms after
		// zero, which is 10 ms after the test has begun.
		events func(t *testing.T, f *fixture, a *backend.App, c *crowd, at func(ms int) time.Time)
		want   api.ColdStart
	}{
		"all phases": {
			func(t *testing.T, f *fixture, a *backend.App, c *crowd, at func(ms int) time.Time) {
				f.nomad.onScale = func(int) { time.Sleep(time.Until(at(20))) }
				c.send(t.Context(), 0)
				place(a, "a", 0, at(30))
			},
			api.ColdStart{Decide: .02, Place: .01, Ready: .2, FirstByte: .02, Total: .25},
		},
		"Nomad reports the allocation before it answers": {
			func(t *testing.T, f *fixture, a *backend.App, c *crowd, at func(ms int) time.Time) {
				f.ports.take(212 * time.Millisecond)
				f.nomad.onScale = func(int) {
					place(a, "a", 0, at(18))
					time.Sleep(time.Until(at(20)))
				}
				c.send(t.Context(), 0)
			},
			api.ColdStart{Decide: .018, Ready: .212, FirstByte: .02, Total: .25},
		},
		"the count was raised elsewhere": {
			func(t *testing.T, f *fixture, a *backend.App, c *crowd, at func(ms int) time.Time) {
				f.ports.take(190 * time.Millisecond)
				f.nomad.state.Desired = 1
				c.send(t.Context(), 0)
				place(a, "a", 0, at(40))
			},
			api.ColdStart{Place: .04, Ready: .19, FirstByte: .02, Total: .25},
		},
		"only the first of each counts": {
			func(t *testing.T, f *fixture, a *backend.App, c *crowd, at func(ms int) time.Time) {
				f.nomad.onScale = func(int) { time.Sleep(time.Until(at(20))) }
				for i, ms := range []int{0, 1, 2, 21} {
					time.Sleep(time.Until(at(ms)))
					c.send(t.Context(), i)
				}
				for i, id := range []string{"a", "b", "c"} {
					place(a, id, i, at(30+i))
				}
				time.Sleep(time.Until(at(229)))
				if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{3, 4}) {
					t.Errorf("scaled to %v, want to 3 and to 4", scaled)
				}
			},
			api.ColdStart{Decide: .02, Place: .01, Ready: .2, FirstByte: .02, Total: .25},
		},
	} {
		t.Run(name, func(t *testing.T) {
			document := scaler.Document{
				"min_instances": "0", "metric": "concurrency", "target_concurrency_per_instance": "1",
				"scale_up_step": "1", "scale_up_cooldown": "0",
			}
			scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
				zero := time.Now().Add(10 * time.Millisecond)
				at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
				f.ports.take(200 * time.Millisecond)
				// What was placed before zero does not count.
				time.Sleep(time.Until(at(-5)))
				early := allocation(a, "early", 0)
				a.SetInstance(early, true, time.Time{})
				early.Gone = true
				a.SetInstance(early, true, time.Time{})
				time.Sleep(time.Until(zero))
				test.events(t, f, a, c, at)
				time.Sleep(time.Until(at(229)))
				a.FirstByte(at(229))
				if got := a.Status().ColdStart; got != nil {
					t.Errorf("a start ended before an instance was ready: %+v", got)
				}
				time.Sleep(time.Until(at(250)))
				a.FirstByte(at(250))
				test.want.Time = zero
				got := a.Status().ColdStart
				if diff := cmp.Diff(&test.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				a.FirstByte(at(300))
				if again := a.Status().ColdStart; again != got {
					t.Errorf("a start ended twice: %+v", again)
				}
				for _, phase := range []string{"decide", "place", "ready", "first_byte", "total"} {
					if n := f.metrics.seen()["cold_start "+phase]; n != 1 {
						t.Errorf("phase %s was recorded %d times, want once", phase, n)
					}
				}
			})
		})
	}
}

// A start that no request waits for any more is forgotten.
func TestColdStartIsAbandoned(t *testing.T) {
	document := scaler.Document{"min_instances": "0", "start_timeout": "1s"}
	scaling(t, document, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		c.send(t.Context(), 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, refused := c.seen(); refused[0].Cause != api.CauseStartTimeout {
			t.Fatalf("got %+v, want a timeout", refused)
		}
		second := time.Now()
		c.send(t.Context(), 1)
		time.Sleep(10 * time.Millisecond)
		startReady(t, a, "a", 0)
		a.FirstByte(second.Add(20 * time.Millisecond))
		got := a.Status().ColdStart
		if got == nil || !got.Time.Equal(second) || got.Total != .02 {
			t.Errorf("after one that was given up: %+v", got)
		}
	})
}
