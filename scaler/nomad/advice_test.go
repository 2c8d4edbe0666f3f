package nomad_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// deployed is a job of two groups, each with an update block in HCL, or the
// default one for "".
func deployed(id, app, other string) string {
	group := func(name, update string) string {
		return fmt.Sprintf(`
  group %q {
    %s
    task "sleep" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }`, name, update)
	}
	return fmt.Sprintf("job %q {%s%s\n}", id, group("app", app), group("other", other))
}

// What is said of update blocks is what Nomad does: two changes of the count
// follow each other at once where nothing is advised, and where something is,
// Nomad refuses the second for the time that the advice names.
func TestAdviceOfUpdateBlocksIsTrue(t *testing.T) {
	t.Parallel()
	const (
		none    = "update {\n max_parallel = 0\n }"
		soon    = "update {\n health_check = \"task_states\"\n min_healthy_time = \"0s\"\n }"
		seconds = "update {\n health_check = \"task_states\"\n min_healthy_time = \"4s\"\n }"
	)
	agent := nomadtest.Start(t)
	for _, c := range []struct {
		name, app, other string
		locked           string
	}{
		{"none", none, none, ""},
		{"soon", soon, none, ""},
		{"byDefault", "", none, "10s"},
		{"seconds", seconds, none, "4s"},
		{"otherGroup", none, seconds, "4s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := nomadtest.Policy(t, "update-"+c.name, scaler.Document{"min_instances": "0"})
			parsed, err := agent.Client.ParseJob(t.Context(), deployed(p.App.Job, c.app, c.other))
			if err != nil {
				t.Fatal(err)
			}
			block := nomad.NewBlock(p)
			advice := nomad.Advise(parsed, block)
			switch {
			case c.locked == "" && len(advice) > 0:
				t.Errorf("got %+v, want none", advice)
			case c.locked != "" && (len(advice) != 1 || !strings.Contains(advice[0].Reason, "healthy for "+c.locked)):
				t.Errorf("got %+v, want a lock of %s", advice, c.locked)
			}
			block.Target = nomad.Driver
			if advice := nomad.Advise(parsed, block); len(advice) > 0 {
				t.Errorf("with our own target: %+v", advice)
			}

			parsed.TaskGroups[0].Scaling = nomad.NewBlock(p).Render()
			agent.Register(t, parsed)
			scale := func(count int) error {
				_, _, err := agent.API.Jobs().Scale(p.App.Job, p.App.Group, &count, "", false, nil, nil)
				return err
			}
			placed := func(count int) func() bool {
				return func() bool {
					allocations, _, err := agent.API.Jobs().Allocations(p.App.Job, false, nil)
					return err == nil && len(allocations) == count+1
				}
			}
			// Nomad makes the deployment when it places the instances.
			nomadtest.Eventually(t, time.Minute, "the job is placed", placed(0))
			nomadtest.Eventually(t, time.Minute, "the first change is accepted", func() bool { return scale(1) == nil })
			nomadtest.Eventually(t, time.Minute, "the first instance is placed", placed(1))
			began := time.Now()
			nomadtest.Eventually(t, time.Minute, "the second change is accepted", func() bool { return scale(2) == nil })
			took := time.Since(began)
			least, _ := scaler.ParseDuration(c.locked)
			if most := least + 4*time.Second; took < least || took > most {
				t.Errorf("the second change was refused for %s, want %s to %s", took, least, most)
			}
			// A job that is purged while it is being placed ends the agent.
			nomadtest.Eventually(t, time.Minute, "the second instance is placed", placed(2))
		})
	}
}

func TestAdvise(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *time.Duration { return new(time.Duration(n) * time.Second) }
	port := []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	const lock, revert, cut = "update block", "auto_revert", "cut requests"
	for _, c := range []struct {
		name string
		edit func(*api.Job, *api.TaskGroup, *nomad.Block)
		want []string
	}{
		{"nothing to say", func(*api.Job, *api.TaskGroup, *nomad.Block) {}, nil},
		{"the default update block", func(j *api.Job, _ *api.TaskGroup, _ *nomad.Block) { j.Update = nil }, []string{lock}},
		{"the group's own update block", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			g.Update = &api.UpdateStrategy{MaxParallel: new(2), HealthCheck: new("manual")}
		}, []string{lock}},
		{"checks without a healthy time", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			g.Update = &api.UpdateStrategy{MaxParallel: new(2), MinHealthyTime: seconds(0)}
		}, []string{lock}},
		{"a group without deployments", func(j *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			j.Update, g.Update = nil, &api.UpdateStrategy{MaxParallel: new(0)}
		}, nil},
		{"task states at once", func(j *api.Job, _ *api.TaskGroup, _ *nomad.Block) {
			j.Update = &api.UpdateStrategy{HealthCheck: new("task_states"), MinHealthyTime: seconds(0)}
		}, nil},
		{"our own target", func(j *api.Job, _ *api.TaskGroup, b *nomad.Block) { j.Update, b.Target = nil, nomad.Driver }, nil},
		{"auto_revert", func(j *api.Job, _ *api.TaskGroup, b *nomad.Block) {
			j.Update, b.Target = &api.UpdateStrategy{AutoRevert: new(true)}, nomad.Driver
		}, []string{revert}},
		{"auto_revert without deployments", func(j *api.Job, _ *api.TaskGroup, _ *nomad.Block) {
			j.Update = &api.UpdateStrategy{MaxParallel: new(0), AutoRevert: new(true)}
		}, nil},
		{"a port", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) { g.Networks = port }, []string{cut}},
		{"a task's port", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			g.Tasks[0].Resources = &api.Resources{Networks: port}
		}, []string{cut}},
		{"a service", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) { g.Services = []*api.Service{{Name: "app"}} }, []string{cut}},
		{"a task's service", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			g.Tasks[0].Services = []*api.Service{{Name: "app"}}
		}, []string{cut}},
		{"a port with a delay", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) { g.Networks, g.ShutdownDelay = port, seconds(30) }, nil},
		{"a port with a task's delay", func(_ *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			g.Networks, g.Tasks[0].ShutdownDelay = port, time.Second
		}, nil},
		{"all at once", func(j *api.Job, g *api.TaskGroup, _ *nomad.Block) {
			j.Update, g.Networks = &api.UpdateStrategy{AutoRevert: new(true)}, port
		}, []string{lock, revert, cut}},
		{"a policy that does nothing", func(j *api.Job, g *api.TaskGroup, b *nomad.Block) {
			j.Update, g.Networks, b.Policy.Enabled = nil, port, false
		}, nil},
		{"a count that is fixed", func(j *api.Job, g *api.TaskGroup, b *nomad.Block) {
			j.Update, g.Networks, b.Policy.MinInstances = nil, port, b.Policy.MaxInstances
		}, nil},
		{"a group that is not there", func(j *api.Job, g *api.TaskGroup, _ *nomad.Block) { j.Update, g.Name = nil, new("other") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			block := nomad.NewBlock(nomadtest.Policy(t, "shop", nil))
			group := &api.TaskGroup{Name: new("app"), Tasks: []*api.Task{{Name: "app"}}}
			job := &api.Job{ID: new("shop"), TaskGroups: []*api.TaskGroup{group}, Update: &api.UpdateStrategy{MaxParallel: new(0)}}
			c.edit(job, group, &block)
			advice := nomad.Advise(job, block)
			if len(advice) != len(c.want) {
				t.Fatalf("got %+v, want %q", advice, c.want)
			}
			for i, a := range advice {
				if !strings.Contains(a.Summary, c.want[i]) || a.Key != "" || a.Reason == "" || a.Remedy == "" {
					t.Errorf("got %+v, want %q", a, c.want[i])
				}
			}
		})
	}
}
