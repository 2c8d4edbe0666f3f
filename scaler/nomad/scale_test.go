package nomad_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestScale(t *testing.T) {
	agent := nomadtest.Start(t)
	up := func(from nomad.Status, count int) scaler.Decision {
		return scaler.Decision{Desired: from.Desired, Count: count, Direction: scaler.Up, Rule: scaler.RuleUp}
	}

	t.Run("changes the count and leaves its reason", func(t *testing.T) {
		p := nomadtest.Policy(t, "plain", scaler.Document{"max_instances": "5"})
		agent.Register(t, nomadtest.Job(p))
		before := agent.Status(t, p)
		decision := up(before, 3)
		if err := agent.Client.Scale(t.Context(), p, before, decision); err != nil {
			t.Fatal(err)
		}
		after := agent.Status(t, p)
		if after.Desired != 3 {
			t.Errorf("desired is %d, want 3", after.Desired)
		}
		action := after.History.LastAction
		if action == nil || action.From != 1 || action.To != 3 || action.Rule != scaler.RuleUp || action.Reason != decision.Reason() {
			t.Errorf("the last action is %+v, want 1 to 3 by rule up because %q", action, decision.Reason())
		}
		if since := time.Since(after.History.LastUp); since < 0 || since > time.Minute {
			t.Errorf("the last up was %s ago, want just now", since)
		}
	})

	t.Run("refuses a status that is out of date", func(t *testing.T) {
		p := nomadtest.Policy(t, "conflict", scaler.Document{"max_instances": "5"})
		agent.Register(t, nomadtest.Job(p))
		before := agent.Status(t, p)
		if err := agent.Client.Scale(t.Context(), p, before, up(before, 2)); err != nil {
			t.Fatal(err)
		}
		err := agent.Client.Scale(t.Context(), p, before, up(before, 5))
		if !errors.Is(err, nomad.ErrConflict) {
			t.Errorf("error %v, want ErrConflict", err)
		}
		if got := agent.Status(t, p).Desired; got != 2 {
			t.Errorf("desired is %d, want 2", got)
		}
	})

	t.Run("says that a deployment is in the way", func(t *testing.T) {
		p := nomadtest.Policy(t, "locked", scaler.Document{"max_instances": "5"})
		job := nomadtest.Job(p)
		job.Update = &api.UpdateStrategy{MinHealthyTime: new(10 * time.Minute), HealthyDeadline: new(11 * time.Minute), ProgressDeadline: new(12 * time.Minute)}
		agent.Register(t, job)
		nomadtest.Eventually(t, 10*time.Second, "a deployment", func() bool {
			deployment, _, err := agent.API.Jobs().LatestDeployment(p.Job, nil)
			return err == nil && deployment != nil
		})
		before := agent.Status(t, p)
		err := agent.Client.Scale(t.Context(), p, before, up(before, 2))
		if !errors.Is(err, nomad.ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
	})

	t.Run("knows no job of that name", func(t *testing.T) {
		_, err := agent.Client.Status(t.Context(), nomadtest.Policy(t, "nowhere", nil))
		if !errors.Is(err, nomad.ErrNotFound) {
			t.Errorf("error %v, want ErrNotFound", err)
		}
	})
}
