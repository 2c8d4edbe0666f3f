package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// An override applies at the next decision, and no longer than it says.
func TestDecisionsFollowOverrides(t *testing.T) {
	g := newGateway(t)
	app := declared(t, appName, scaler.Document{"max_instances": "2", "metric": "concurrency", "scale_up_step": "0"})
	g.declare(app)
	a := g.apps.find(appName)
	now := time.Now()
	count := func(now time.Time) int { return a.decide(a.policy.Load(), now, 1, 8, time.Time{}).Count }

	if got := count(now); got != 2 {
		t.Fatalf("without an override the count is %d, want 2", got)
	}
	block := jobspec.NewBlock(app.Policy)
	block.Max = 10
	g.overrides.Report([]nomad.AppOverride{{
		App:      app.Policy.App,
		Override: &scaler.Override{MaxInstances: new(5), ExpiresAt: now.Add(time.Minute)},
		Block:    block,
	}})
	if got := count(now); got != 5 {
		t.Errorf("with the maximum at 5 the count is %d, want 5", got)
	}
	if got := count(now.Add(time.Hour)); got != 2 {
		t.Errorf("after the override the count is %d, want 2", got)
	}
}

// holdUntil is an override that holds the count, in a group that may have none.
func holdUntil(app nomad.App, until time.Time) nomad.AppOverride {
	block := jobspec.NewBlock(app.Policy)
	block.Min, block.Max = 0, 10
	return nomad.AppOverride{
		App:      app.Policy.App,
		Override: &scaler.Override{Hold: true, ExpiresAt: until, By: "alice", Reason: "a migration"},
		Block:    block,
	}
}

// A gateway that does not know the overrides yet scales nothing, for one of them may
// hold the count.
func TestNothingScalesBeforeTheOverridesAreKnown(t *testing.T) {
	for _, test := range []struct {
		name   string
		known  func(*Gateway, nomad.App)
		scaled []int
	}{
		{"there is none", func(g *Gateway, _ nomad.App) { g.overrides.Report(nil) }, []int{1}},
		{"one holds", func(g *Gateway, app nomad.App) {
			g.overrides.Report([]nomad.AppOverride{holdUntil(app, g.now().Add(time.Hour))})
		}, nil},
		{"they may not be read", func(g *Gateway, _ nomad.App) { g.overrides.Failed(nomad.ErrDenied) }, []int{1}},
		{"they cannot be read", func(g *Gateway, _ nomad.App) { g.overrides.Failed(errors.New("no key to decrypt with")) }, []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fakeNomad)
				g := newGateway(t, with(f))
				app := declared(t, appName, scaler.Document{"min_instances": "0", "metric": "concurrency"})
				g.apps.report([]nomad.App{app})
				g.apps.Replace(nil)
				c := newCrowd(g, appName)
				c.send(t.Context(), 0)
				time.Sleep(20 * time.Second)
				if scaled, _, _ := f.calls(); scaled != nil {
					t.Errorf("scaled to %v before it is known which overrides there are", scaled)
				}
				test.known(g, app)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if scaled, _, _ := f.calls(); !slices.Equal(scaled, test.scaled) {
					t.Errorf("scaled to %v, want %v", scaled, test.scaled)
				}
				if _, refused := c.seen(); (len(refused) == 0) != (test.scaled != nil) {
					t.Errorf("refused %v", refused)
				}
				g.apps.find(appName).addReady("a", 0)
				close(c.letGo)
				g.stop()
				synctest.Wait()
			})
		})
	}
}

// A request for an app that an override holds at zero is answered at once, with who
// holds it until when and why.
func TestHeldAtZeroIsAnsweredAtOnce(t *testing.T) {
	g := newGateway(t)
	app := declared(t, appName, scaler.Document{"min_instances": "0"})
	g.declare(app)
	until := time.Now().Add(time.Hour)
	g.overrides.Report([]nomad.AppOverride{holdUntil(app, until)})
	refusal := asRefusal(serve(g.hold(g.selection(nil)), g.callFor(appName)))
	if refusal.Cause.Status() != http.StatusServiceUnavailable || refusal.Cause != api.CauseNotStarted {
		t.Errorf("answered %d %s, want 503 not_started", refusal.Cause.Status(), refusal.Cause)
	}
	for _, words := range []string{"held by an override until", until.UTC().Format("15:04 UTC"), "alice", "a migration"} {
		if !strings.Contains(refusal.Message, words) {
			t.Errorf("the message %q does not say %q", refusal.Message, words)
		}
	}
	if o := g.apps.statuses()[0].Override; o == nil || !o.Hold || !o.ExpiresAt.Equal(until) {
		t.Errorf("/v1/apps shows the override %+v, want the hold", o)
	}
	g.overrides.Report(nil)
	if o := g.apps.statuses()[0].Override; o != nil {
		t.Errorf("/v1/apps shows the override %+v that was cleared", o)
	}
}
