package gateway

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestDecisions(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	hold := func(rule scaler.Rule, desired int) scaler.Decision {
		return scaler.Decision{Desired: desired, Count: desired, Direction: scaler.None, Rule: rule}
	}
	up := func(from, to int) scaler.Decision {
		return scaler.Decision{Desired: from, Count: to, Direction: scaler.Up, Rule: scaler.RuleUp}
	}

	t.Run("the same hold counts as one, with its newest numbers", func(t *testing.T) {
		var ds decisions
		first, second := hold(scaler.RuleHold, 1), hold(scaler.RuleHold, 1)
		first.Wait, second.Wait = 10*time.Second, 9*time.Second
		ds.add(first, at(0))
		ds.add(second, at(1))
		if len(ds) != 1 {
			t.Fatalf("%d decisions are kept, want 1", len(ds))
		}
		got := ds[0].status()
		if got.Times != 2 || !got.Time.Equal(at(0)) || !got.Last.Equal(at(1)) || got.WaitSeconds != 9 {
			t.Errorf("the hold is %+v, want twice, from 0 s to 1 s, with 9 s to wait", got)
		}
	})
	t.Run("actions and other holds are kept apart", func(t *testing.T) {
		var ds decisions
		for i, d := range []scaler.Decision{up(1, 2), up(2, 3), hold(scaler.RuleHold, 3), hold(scaler.RuleNoData, 3), hold(scaler.RuleNoData, 4)} {
			ds.add(d, at(i))
		}
		if len(ds) != 5 {
			t.Errorf("%d decisions are kept, want 5", len(ds))
		}
	})
	t.Run("the oldest go first", func(t *testing.T) {
		var ds decisions
		for i := range keptDecisions + 3 {
			ds.add(up(i, i+1), at(i))
		}
		if len(ds) != keptDecisions || ds[0].Desired != 3 || ds.newest().Desired != keptDecisions+2 {
			t.Errorf("%d decisions are kept from %d to %d, want %d from 3 to %d", len(ds), ds[0].Desired, ds.newest().Desired, keptDecisions, keptDecisions+2)
		}
	})
}
