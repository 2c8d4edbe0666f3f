package nomad

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// An event contains the decision that created it, as far as the decision was known.
func TestEventContainsItsDecision(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	expires := at.Add(time.Hour)
	whole := scaler.Decision{
		Rule: scaler.RuleUp, Desired: 1, Count: 3, Goal: 3, Known: true, Load: 150, Demand: 1.5, Utilisation: 1.5,
		MinInstances: 1, MaxInstances: 50, BufferInstances: 2,
		Override: &scaler.Override{ExpiresAt: expires}, DownCooldown: 90 * time.Second,
	}
	blind := scaler.Decision{Rule: scaler.RuleBelowMin, Desired: 0, Count: 1, Goal: 0, MinInstances: 1, MaxInstances: 10}
	for name, test := range map[string]struct {
		decision scaler.Decision
		meta     map[string]any
		want     EventDecision
	}{
		"with a load and an override": {
			whole,
			map[string]any{
				"nomadscale.rule": "up", "nomadscale.desired": "1", "nomadscale.goal": "3",
				"nomadscale.load": "150", "nomadscale.demand": "1.5", "nomadscale.utilisation": "1.5",
				"nomadscale.min": "1", "nomadscale.max": "50", "nomadscale.buffer": "2",
				"nomadscale.override_until": "2026-11-22T13:00:00Z", "nomadscale.down_cooldown": "1m30s",
				"nomadscale.last_change": "2026-11-22T12:00:00Z",
			},
			EventDecision{Known: true, Load: 150, Demand: 1.5, Utilisation: 1.5, Goal: 3, Min: new(1), Max: new(50), Buffer: new(2), OverrideUntil: expires},
		},
		"without": {
			blind,
			map[string]any{
				"nomadscale.rule": "below_min", "nomadscale.desired": "0", "nomadscale.goal": "0",
				"nomadscale.min": "1", "nomadscale.max": "10", "nomadscale.buffer": "0", "nomadscale.last_change": "2026-11-22T12:00:00Z",
			},
			EventDecision{Min: new(1), Max: new(10), Buffer: new(0)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			meta := Meta(test.decision, History{LastChange: at})
			if diff := cmp.Diff(test.meta, meta); diff != "" {
				t.Error(diff)
			}
			count := int64(test.decision.Count)
			e := readEvent(api.ScalingEvent{
				Time: uint64(at.UnixNano()), PreviousCount: int64(test.decision.Desired), Count: &count, Message: "why", Meta: throughJSON(t, meta),
			})
			if e.Decision == nil || e.Rule != test.decision.Rule || e.From != test.decision.Desired || e.To != test.decision.Count || e.Reason != "why" || !e.Time.Equal(at) {
				t.Fatalf("the event is %+v", e)
			}
			if diff := cmp.Diff(test.want, *e.Decision); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// throughJSON returns a meta as Nomad returns it.
func throughJSON(t *testing.T, meta map[string]any) (back map[string]any) {
	text, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestManualEventHasNoDecision(t *testing.T) {
	e := readEvent(api.ScalingEvent{PreviousCount: 3, Message: "no target", Error: true})
	if e.Decision != nil || !e.Failed || e.From != 3 || e.To != 3 || e.Rule != "" {
		t.Errorf("the event is %+v, want a manual failure at 3", e)
	}
}
