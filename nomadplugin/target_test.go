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

const targetBlock = `
target "nomadscale" {
  driver = "nomadscale"
  args   = ["target"]
}
`

func TestTarget(t *testing.T) {
	cluster := nomadtest.Start(t)
	gateway := startGateway(t)
	agent := startAgent(t, cluster, gateway, targetBlock)

	// deploying returns a job in which every change of the count is a deployment that
	// lasts longer than the test.
	deploying := func(p scaler.Policy) *api.Job {
		block := jobspec.NewBlock(p)
		block.EvaluationInterval, block.Target = fast, jobspec.Driver
		job := nomadtest.JobWithBlock(block)
		job.Update = &api.UpdateStrategy{
			MaxParallel:      new(1),
			MinHealthyTime:   new(10 * time.Minute),
			HealthyDeadline:  new(11 * time.Minute),
			ProgressDeadline: new(12 * time.Minute),
		}
		return job
	}

	t.Run("actions follow each other without waiting for deployments", func(t *testing.T) {
		p := nomadtest.Policy(t, "quick", scaler.Document{"max_instances": "4", "scale_up_cooldown": "0s"})
		cluster.Register(t, deploying(p))
		gateway.load(p, 500)
		nomadtest.Eventually(t, soon, "the maximum, one step at a time", func() bool { return cluster.Status(t, p).Desired == 4 })
		var events []api.ScalingEvent
		nomadtest.Eventually(t, soon, "a scaling event for each action", func() bool {
			scale, _, err := cluster.API.Jobs().ScaleStatus(p.App.Job, nil)
			if err != nil {
				t.Fatal(err)
			}
			events = scale.TaskGroups[p.App.Group].Events
			return len(events) == 3
		})
		took := time.Duration(events[0].Time - events[2].Time).Abs()
		if took > 8*time.Second {
			t.Errorf("three actions took %s, as if they waited for the deployment lock of ten seconds", took)
		}
		for _, event := range events {
			if !strings.Contains(event.Message, "500 requests a minute") {
				t.Errorf("an event's message is %q, want the reason", event.Message)
			}
		}
	})

	t.Run("a rollout is respected and said so", func(t *testing.T) {
		p := nomadtest.Policy(t, "rollout", scaler.Document{"min_instances": "2", "max_instances": "4"})
		gateway.load(p, 0)
		job := deploying(p)
		job.Update.MaxParallel = new(0)
		cluster.Register(t, job)
		nomadtest.Eventually(t, soon, "two instances", func() bool { return cluster.Status(t, p).Running == 2 })
		job = deploying(p)
		job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": "2"}
		cluster.Register(t, job)
		gateway.load(p, 500)
		nomadtest.Eventually(t, soon, "the refusal in the log", func() bool {
			return strings.Contains(agent.output(t), "version 1 is being rolled out")
		})
		if got := cluster.Status(t, p).Desired; got != 2 {
			t.Errorf("%d instances are desired in the rollout, want 2", got)
		}
	})

	t.Run("a job that is purged does not end the agent", func(t *testing.T) {
		p := nomadtest.Policy(t, "gone", nil)
		cluster.Register(t, deploying(p))
		gateway.load(p, 0)
		nomadtest.Eventually(t, soon, "an evaluation", func() bool { return strings.Contains(agent.output(t), "Job:gone") })
		if _, _, err := cluster.API.Jobs().Deregister(p.App.Job, true, nil); err != nil {
			t.Fatal(err)
		}
		after := declare(t, cluster, "after", scaler.Document{"max_instances": "3", "scale_up_step": "0"})
		gateway.load(after, 500)
		nomadtest.Eventually(t, soon, "another job growing", func() bool { return cluster.Status(t, after).Desired == 3 })
	})
}
