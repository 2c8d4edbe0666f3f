package nomadplugin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestOverride(t *testing.T) {
	cluster := nomadtest.Start(t)
	gateway := startGateway(t)
	agent := startAgent(t, cluster, gateway)

	// declareWide declares an app with at most two instances, in a block with at most eight.
	declareWide := func(name string) scaler.Policy {
		doc := scaler.Document{"max_instances": "2", "scale_up_step": "0", "scale_up_cooldown": "0s"}
		return declare(t, cluster, name, doc, func(b *jobspec.Block) { b.Max = 8 })
	}
	set := func(p scaler.Policy, o scaler.Override, lasts time.Duration) {
		t.Helper()
		o.ExpiresAt = time.Now().Add(lasts)
		before, _ := cluster.Client.Override(t.Context(), p.App) // without an override, the index is 0
		if _, err := cluster.Client.SetOverride(t.Context(), p.App, &o, before.ModifyIndex, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("is applied at the next decision and ends by itself", func(t *testing.T) {
		p := declareWide("raised")
		gateway.load(p, 500)
		awaitAction(t, cluster, p, 2)
		version := jobVersion(t, cluster, p)
		set(p, scaler.Override{MaxInstances: new(6)}, time.Hour)
		action := awaitAction(t, cluster, p, 6)
		if action.Rule != scaler.RuleUp || !strings.Contains(action.Reason, "max 6 by an override until") {
			t.Errorf("the action was %+v, want one by rule up that names the override", action)
		}
		if got := jobVersion(t, cluster, p); got != version+1 {
			t.Errorf("the job is at version %d after %d, want one more because of the count", got, version)
		}
		set(p, scaler.Override{MaxInstances: new(6)}, 2*time.Second)
		action = awaitAction(t, cluster, p, 2)
		if action.From != 6 || action.Rule != scaler.RuleAboveMax {
			t.Errorf("the action was %+v, want 6 to 2 by rule above_max", action)
		}
		events, err := cluster.Client.Events(t.Context(), p.App)
		if err != nil {
			t.Fatal(err)
		}
		if d := events[1].Decision; d == nil || d.OverrideUntil.IsZero() || *d.Max != 6 || d.Load != 500 {
			t.Errorf("the event of the override says %+v, want the override, max 6 and load 500", d)
		}
		if d := events[0].Decision; d == nil || !d.OverrideUntil.IsZero() || *d.Max != 2 {
			t.Errorf("the event after it says %+v, want no override and max 2", d)
		}
	})

	t.Run("holds the count until it is cleared", func(t *testing.T) {
		p := declareWide("held")
		gateway.load(p, 10)
		nomadtest.Eventually(t, soon, "a running instance", func() bool { return cluster.Status(t, p).Running == 1 })
		set(p, scaler.Override{Hold: true, Reason: "a look at it"}, time.Hour)
		nomadtest.Eventually(t, soon, "an evaluation that is held", func() bool { return agent.evaluations(t, "held by an override until") > 0 })
		gateway.load(p, 500)
		held := agent.evaluations(t, ": a look at it")
		nomadtest.Eventually(t, soon, "evaluations that hold", func() bool { return agent.evaluations(t, ": a look at it") >= held+3 })
		if got := cluster.Status(t, p); got.Desired != 1 || got.History.LastAction != nil {
			t.Errorf("%d are desired after %+v, want 1 and no action", got.Desired, got.History.LastAction)
		}
		o, err := cluster.Client.Override(t.Context(), p.App)
		if err != nil {
			t.Fatal(err)
		}
		if err := cluster.Client.ClearOverride(t.Context(), p.App, o.ModifyIndex); err != nil {
			t.Fatal(err)
		}
		awaitAction(t, cluster, p, 2)
	})

	t.Run("is ignored loudly when it is malformed", func(t *testing.T) {
		p := declareWide("malformed")
		variable := &api.Variable{
			Path:  "nomadscale/overrides/malformed/app",
			Items: api.VariableItems{"job": "malformed", "group": "app", "override": `{"max": 8}`},
		}
		if _, _, err := cluster.API.Variables().Update(variable, nil); err != nil {
			t.Fatal(err)
		}
		const words = `max = \"8\": must be removed: there is no such key`
		nomadtest.Eventually(t, soon, "the error in the log", func() bool { return strings.Contains(agent.output(t), words) })
		gateway.load(p, 500)
		awaitAction(t, cluster, p, 2)
		if n := strings.Count(agent.output(t), words); n != 1 {
			t.Errorf("the error was logged %d times, want once", n)
		}
	})
}

func jobVersion(t *testing.T, cluster *nomadtest.Agent, p scaler.Policy) uint64 {
	t.Helper()
	job, err := cluster.Client.ReadJob(t.Context(), p.App.Namespace, p.App.Job)
	if err != nil {
		t.Fatal(err)
	}
	return *job.Version
}
