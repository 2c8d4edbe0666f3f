package backend_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// overriding is an override of an app, in a group whose scaling block allows a count
// from 0 to 10.
func overriding(a *backend.App, o scaler.Override) nomad.AppOverride {
	block := jobspec.NewBlock(*a.Policy())
	block.Min, block.Max = 0, 10
	return nomad.AppOverride{App: a.ID, Override: &o, Block: block}
}

// holdUntil is an override that holds the count.
func holdUntil(a *backend.App, until time.Time) nomad.AppOverride {
	return overriding(a, scaler.Override{Hold: true, ExpiresAt: until, By: "alice", Reason: "a migration"})
}

// An override applies at the next decision, and no longer than it says.
func TestDecisionsFollowOverrides(t *testing.T) {
	for _, test := range []struct {
		name     string
		override bool
		after    time.Duration
		want     int
	}{
		{"no override", false, 0, 2},
		{"with the maximum at 5", true, 0, 5},
		{"after the override", true, time.Hour, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			document := scaler.Document{"max_instances": "2", "metric": "concurrency", "scale_up_step": "0"}
			scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
				f.nomad.state.Desired = 1
				startReady(t, a, "a", 0)
				if test.override {
					o := scaler.Override{MaxInstances: new(5), ExpiresAt: time.Now().Add(time.Minute)}
					f.Overrides.Report([]nomad.AppOverride{overriding(a, o)})
				}
				time.Sleep(test.after)
				for n := range 8 {
					c.send(t.Context(), n)
				}
				awaitBurst(t)
				if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{test.want}) {
					t.Errorf("scaled to %v, want to %d", scaled, test.want)
				}
				if d := a.Decisions(); len(d) != 1 || d[0].MaxInstances != test.want {
					t.Errorf("the decisions are %+v, want one with a maximum of %d", d, test.want)
				}
			})
		})
	}
}

// A gateway that does not know the overrides yet scales nothing, because one of them
// may hold the count.
func TestNothingScalesBeforeTheOverridesAreKnown(t *testing.T) {
	for _, test := range []struct {
		name   string
		known  func(*fixture, *backend.App)
		scaled []int
	}{
		{"there is none", func(f *fixture, _ *backend.App) { f.Overrides.Report(nil) }, []int{1}},
		{"one holds", func(f *fixture, a *backend.App) {
			f.Overrides.Report([]nomad.AppOverride{holdUntil(a, time.Now().Add(time.Hour))})
		}, nil},
		{"they may not be read", func(f *fixture, _ *backend.App) { f.Overrides.Failed(nomad.ErrDenied) }, []int{1}},
		{"they cannot be read", func(f *fixture, _ *backend.App) { f.Overrides.Failed(errors.New("no key to decrypt with")) }, []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.Overrides = unknownOverrides(t)
				a := f.app(t, webID, scaler.Document{"min_instances": "0", "metric": "concurrency"})
				c := newCrowd(t, f, a)
				c.send(t.Context(), 0)
				time.Sleep(20 * time.Second)
				if scaled, _, _ := f.nomad.calls(); scaled != nil {
					t.Errorf("scaled to %v before it is known which overrides there are", scaled)
				}
				test.known(f, a)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, test.scaled) {
					t.Errorf("scaled to %v, want %v", scaled, test.scaled)
				}
				if _, refused := c.seen(); (len(refused) == 0) != (test.scaled != nil) {
					t.Errorf("refused %v", refused)
				}
			})
		})
	}
}

// A request for an app that an override holds at zero is answered at once, with who
// holds it until when and why.
func TestHeldAtZeroIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"min_instances": "0"})
		until := time.Now().Add(time.Hour)
		f.Overrides.Report([]nomad.AppOverride{holdUntil(a, until)})
		_, waited, err := a.Acquire(t.Context(), f.request(a))
		refusal := asRefusal(err)
		if refusal.Cause.Status() != 503 || refusal.Cause != api.CauseNotStarted || waited != 0 {
			t.Errorf("answered %d %s after %s, want 503 not_started at once", refusal.Cause.Status(), refusal.Cause, waited)
		}
		for _, words := range []string{"held by an override until", until.UTC().Format("15:04 UTC"), "alice", "a migration"} {
			if !strings.Contains(refusal.Message, words) {
				t.Errorf("the message %q does not say %q", refusal.Message, words)
			}
		}
		if o := a.Status().Override; o == nil || !o.Hold || !o.ExpiresAt.Equal(until) {
			t.Errorf("the status shows the override %+v, want the hold", o)
		}
		f.Overrides.Report(nil)
		if o := a.Status().Override; o != nil {
			t.Errorf("the status shows the override %+v that was cleared", o)
		}
	})
}
