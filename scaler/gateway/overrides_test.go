package gateway

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
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
	block := nomad.NewBlock(app.Policy)
	block.Max = 10
	g.overrides.Report([]nomad.AppOverride{{
		Target:   nomad.TargetOf(app.Policy),
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
