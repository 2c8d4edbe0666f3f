package nomad_test

import (
	"errors"
	"strings"
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
		if err := agent.Client.Scale(t.Context(), p.App, before, decision); err != nil {
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
		if err := agent.Client.Scale(t.Context(), p.App, before, up(before, 2)); err != nil {
			t.Fatal(err)
		}
		err := agent.Client.Scale(t.Context(), p.App, before, up(before, 5))
		if !errors.Is(err, nomad.ErrConflict) {
			t.Errorf("error %v, want ErrConflict", err)
		}
		if got := agent.Status(t, p).Desired; got != 2 {
			t.Errorf("desired is %d, want 2", got)
		}
	})

	t.Run("passes the lock of a mere change of the count", func(t *testing.T) {
		p := nomadtest.Policy(t, "locked", scaler.Document{"max_instances": "12"})
		job := nomadtest.Job(p)
		job.Update = slowUpdate()
		agent.Register(t, job)
		awaitDeployment(t, agent, p)
		// More changes than versions that Nomad stores.
		for count := 2; count <= 12; count++ {
			before := agent.Status(t, p)
			if err := agent.Client.Scale(t.Context(), p.App, before, up(before, count)); err != nil {
				t.Fatal(err)
			}
			after := agent.Status(t, p)
			action := after.History.LastAction
			if after.Desired != count || action == nil || action.From != count-1 || action.To != count || action.Rule != scaler.RuleUp {
				t.Fatalf("%d are desired after %+v, want %d by rule up", after.Desired, action, count)
			}
		}
	})

	for name, change := range map[string]func(*api.Job){
		"a new version of one instance": func(job *api.Job) {
			*job.TaskGroups[0].Count = 1
			job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": "2"}
		},
		"a new version": func(job *api.Job) { job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": "2"} },
		"a canary": func(job *api.Job) {
			job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": "2"}
			job.Update.Canary = new(1)
		},
		"auto_revert": func(job *api.Job) { job.Update.AutoRevert = new(true) },
	} {
		t.Run("respects "+name, func(t *testing.T) {
			p := nomadtest.Policy(t, "rollout-"+strings.ReplaceAll(name, " ", "-"), scaler.Document{"max_instances": "5"})
			job := nomadtest.Job(p)
			*job.TaskGroups[0].Count = 2
			change(job)
			job.TaskGroups[0].Tasks[0].Env = nil
			agent.Register(t, job)
			count := *job.TaskGroups[0].Count
			nomadtest.Eventually(t, soon, "running instances", func() bool { return agent.Status(t, p).Running == count })
			job.Update = slowUpdate()
			change(job)
			agent.Register(t, job)
			awaitDeployment(t, agent, p)
			before := agent.Status(t, p)
			err := agent.Client.Scale(t.Context(), p.App, before, up(before, count+1))
			if !errors.Is(err, nomad.ErrLocked) {
				t.Errorf("error %v, want ErrLocked", err)
			}
			if got := agent.Status(t, p).Desired; got != count {
				t.Errorf("desired is %d, want %d", got, count)
			}
		})
	}

	t.Run("knows no job of that name", func(t *testing.T) {
		_, err := agent.Client.Status(t.Context(), nomadtest.Policy(t, "nowhere", nil).App)
		if !errors.Is(err, nomad.ErrNotFound) {
			t.Errorf("error %v, want ErrNotFound", err)
		}
	})
}

// slowUpdate returns an update block whose deployment lasts longer than any test.
func slowUpdate() *api.UpdateStrategy {
	return &api.UpdateStrategy{
		MaxParallel:      new(1),
		MinHealthyTime:   new(10 * time.Minute),
		HealthyDeadline:  new(11 * time.Minute),
		ProgressDeadline: new(12 * time.Minute),
	}
}

// awaitDeployment waits until a deployment of the newest version is active.
func awaitDeployment(t *testing.T, agent *nomadtest.Agent, p scaler.Policy) {
	t.Helper()
	nomadtest.Eventually(t, soon, "a deployment", func() bool {
		job, _, err := agent.API.Jobs().Info(p.App.Job, nil)
		if err != nil {
			t.Fatal(err)
		}
		deployment, _, err := agent.API.Jobs().LatestDeployment(p.App.Job, nil)
		return err == nil && deployment != nil && deployment.JobVersion == *job.Version && deployment.Status == api.DeploymentStatusRunning
	})
}
