package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestReadHistory(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }
	change := func(minute int, from, to int64, rule scaler.Rule) api.ScalingEvent {
		event := api.ScalingEvent{Time: uint64(at(minute).UnixNano()), PreviousCount: from, Count: &to, Meta: map[string]any{}}
		if rule != "" {
			event.Meta[metaRule] = string(rule)
		}
		return event
	}
	with := func(event api.ScalingEvent, key string, minute int) api.ScalingEvent {
		event.Meta[key] = at(minute).Format(time.RFC3339Nano)
		return event
	}
	failed := change(9, 3, 4, "")
	failed.Error = true
	noted := change(9, 3, 3, "")
	noted.Count = nil

	for name, test := range map[string]struct {
		events             []api.ScalingEvent
		lastUp, lastChange time.Time
		lastAction         int
	}{
		"no events": {},
		"waking does not start the up cooldown": {
			events:     []api.ScalingEvent{change(1, 0, 1, scaler.RuleActivate)},
			lastChange: at(1), lastAction: 1,
		},
		"correcting the minimum does not start the up cooldown": {
			events:     []api.ScalingEvent{change(1, 0, 2, scaler.RuleBelowMin)},
			lastChange: at(1), lastAction: 2,
		},
		"an up by rule does": {
			events: []api.ScalingEvent{change(1, 1, 2, scaler.RuleUp)},
			lastUp: at(1), lastChange: at(1), lastAction: 2,
		},
		"a manual up does": {
			events: []api.ScalingEvent{change(1, 1, 2, "")},
			lastUp: at(1), lastChange: at(1), lastAction: 2,
		},
		"a down is a change": {
			events: []api.ScalingEvent{change(2, 2, 1, scaler.RuleDown), change(1, 1, 2, scaler.RuleUp)},
			lastUp: at(1), lastChange: at(2), lastAction: 1,
		},
		"the order of the events does not matter": {
			events: []api.ScalingEvent{change(1, 1, 2, scaler.RuleUp), change(2, 2, 1, scaler.RuleDown)},
			lastUp: at(1), lastChange: at(2), lastAction: 1,
		},
		"failures, notes and calls without a change count for nothing": {
			events: []api.ScalingEvent{failed, noted, change(8, 2, 2, ""), change(1, 1, 2, scaler.RuleUp)},
			lastUp: at(1), lastChange: at(1), lastAction: 2,
		},
		"what Nomad has dropped is repeated in the meta": {
			events: []api.ScalingEvent{with(with(change(5, 3, 2, scaler.RuleDown), metaLastUp, 3), metaLastChange, 4)},
			lastUp: at(3), lastChange: at(5), lastAction: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := readHistory(test.events)
			if !h.LastUp.Equal(test.lastUp) {
				t.Errorf("last up %v, want %v", h.LastUp, test.lastUp)
			}
			if !h.LastChange.Equal(test.lastChange) {
				t.Errorf("last change %v, want %v", h.LastChange, test.lastChange)
			}
			if test.lastAction == 0 != (h.LastAction == nil) || h.LastAction != nil && h.LastAction.To != test.lastAction {
				t.Errorf("last action %+v, want one to %d", h.LastAction, test.lastAction)
			}
		})
	}
}
