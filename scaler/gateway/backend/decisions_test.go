package backend_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// The same hold counts as one, with its newest numbers.
func TestDecisionsMergeHolds(t *testing.T) {
	document := scaler.Document{"metric": "concurrency", "max_concurrency_per_instance": "1", "scale_up_cooldown": "30s"}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.nomad.state.Desired = 1
		f.nomad.state.History.LastUp = time.Now().Add(-20 * time.Second)
		startReady(t, a, "a", 0)
		before := time.Now()
		c.send(t.Context(), 0)
		c.send(t.Context(), 1)
		awaitBurst(t)
		all := a.Decisions()
		if len(all) != 1 || all[0].Times != 1 {
			t.Fatalf("the decisions are %+v, want one", all)
		}
		first := all[0].Time
		if after := first.Sub(before); after <= 0 || after > burstLimit || all[0].WaitSeconds != (10*time.Second-after).Seconds() {
			t.Errorf("the hold is %+v, want that 10 s were left to wait before the burst", all[0])
		}
		time.Sleep(time.Second)
		// Another policy wakes what waits for the cooldown.
		document["max_queued_requests"] = "77"
		configure(t, a, document)
		synctest.Wait()
		all = a.Decisions()
		if len(all) != 1 {
			t.Fatalf("%d decisions are kept, want 1", len(all))
		}
		wait := 10*time.Second - time.Since(before)
		if got := all[0]; got.Times != 2 || !got.Time.Equal(first) || !got.Last.Equal(time.Now()) || got.WaitSeconds != wait.Seconds() {
			t.Errorf("the hold is %+v, want twice, from %s to %s, with %s to wait", got, first, time.Now(), wait)
		}
		if d := a.Status().Decision; d == nil || !cmp.Equal(*d, all[0]) {
			t.Errorf("the status shows the decision %+v, want the newest", d)
		}
	})
}

// Actions, and holds by another rule or at another count, are kept apart. The newest
// comes first.
func TestDecisionsAreKeptApart(t *testing.T) {
	document := scaler.Document{
		"min_instances": "1", "max_instances": "9", "metric": "concurrency", "target_concurrency_per_instance": "1",
		"scale_up_step": "1", "scale_up_cooldown": "0", "start_timeout": "1h",
	}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.nomad.state.Desired = 1
		for n := range 3 {
			c.send(t.Context(), n)
		}
		// What Nomad does not place is read again, and Nomad has it already.
		awaitBurst(t)
		time.Sleep(desiredTrust + 2*watchInterval)
		custom := scaler.Document{"metric": "custom", "target_per_instance": "1", "min_instances": "1", "max_instances": "9"}
		configure(t, a, custom)
		time.Sleep(desiredTrust + 2*watchInterval)
		f.nomad.set(4, nil)
		time.Sleep(desiredTrust + 2*watchInterval)
		var got []api.DecisionStatus
		for _, d := range slices.Backward(a.Decisions()) {
			got = append(got, api.DecisionStatus{Direction: d.Direction, Rule: d.Rule, From: d.From, To: d.To})
		}
		want := []api.DecisionStatus{
			{Direction: scaler.Up, Rule: scaler.RuleUp, From: 1, To: 2},
			{Direction: scaler.Up, Rule: scaler.RuleUp, From: 2, To: 3},
			{Direction: scaler.None, Rule: scaler.RuleHold, From: 3, To: 3},
			{Direction: scaler.None, Rule: scaler.RuleNoData, From: 3, To: 3},
			{Direction: scaler.None, Rule: scaler.RuleNoData, From: 4, To: 4},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decisions, oldest first (-want +got):\n%s", diff)
		}
	})
}

// Only so many decisions are kept, and the oldest go first.
func TestDecisionsAreBounded(t *testing.T) {
	const kept = 32
	document := scaler.Document{
		"min_instances": "1", "max_instances": "100", "metric": "concurrency", "target_concurrency_per_instance": "1",
		"scale_up_step": "1", "scale_up_cooldown": "0",
	}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.nomad.state.Desired = 1
		for n := range kept + 4 {
			c.send(t.Context(), n)
		}
		awaitBurst(t)
		if scaled, _, _ := f.nomad.calls(); len(scaled) != kept+3 {
			t.Fatalf("scaled to %v, want %d steps", scaled, kept+3)
		}
		all := a.Decisions()
		if oldest, newest := all[len(all)-1], all[0]; len(all) != kept || oldest.From != 4 || newest.From != kept+3 {
			t.Errorf("%d decisions are kept from %d to %d, want %d from 4 to %d", len(all), oldest.From, newest.From, kept, kept+3)
		}
	})
}
