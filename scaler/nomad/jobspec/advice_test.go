package jobspec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestAdvise(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *time.Duration { return new(time.Duration(n) * time.Second) }
	port := []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	const lock, revert, cut = "update block", "auto_revert", "cut requests"
	for _, c := range []struct {
		name string
		edit func(*api.Job, *api.TaskGroup, *jobspec.Block)
		want []string
	}{
		{"nothing to say", func(*api.Job, *api.TaskGroup, *jobspec.Block) {}, nil},
		{"the default update block", func(j *api.Job, _ *api.TaskGroup, _ *jobspec.Block) { j.Update = nil }, []string{lock}},
		{"the group's own update block", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			g.Update = &api.UpdateStrategy{MaxParallel: new(2), HealthCheck: new("manual")}
		}, []string{lock}},
		{"checks without a healthy time", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			g.Update = &api.UpdateStrategy{MaxParallel: new(2), MinHealthyTime: seconds(0)}
		}, []string{lock}},
		{"a group without deployments", func(j *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			j.Update, g.Update = nil, &api.UpdateStrategy{MaxParallel: new(0)}
		}, nil},
		{"task states at once", func(j *api.Job, _ *api.TaskGroup, _ *jobspec.Block) {
			j.Update = &api.UpdateStrategy{HealthCheck: new("task_states"), MinHealthyTime: seconds(0)}
		}, nil},
		{"our own target", func(j *api.Job, _ *api.TaskGroup, b *jobspec.Block) { j.Update, b.Target = nil, jobspec.Driver }, nil},
		{"auto_revert", func(j *api.Job, _ *api.TaskGroup, b *jobspec.Block) {
			j.Update, b.Target = &api.UpdateStrategy{AutoRevert: new(true)}, jobspec.Driver
		}, []string{revert}},
		{"auto_revert without deployments", func(j *api.Job, _ *api.TaskGroup, _ *jobspec.Block) {
			j.Update = &api.UpdateStrategy{MaxParallel: new(0), AutoRevert: new(true)}
		}, nil},
		{"a port", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) { g.Networks = port }, []string{cut}},
		{"a task's port", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			g.Tasks[0].Resources = &api.Resources{Networks: port}
		}, []string{cut}},
		{"a service", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) { g.Services = []*api.Service{{Name: "app"}} }, []string{cut}},
		{"a task's service", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			g.Tasks[0].Services = []*api.Service{{Name: "app"}}
		}, []string{cut}},
		{"a port with a delay", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) { g.Networks, g.ShutdownDelay = port, seconds(30) }, nil},
		{"a port with a task's delay", func(_ *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			g.Networks, g.Tasks[0].ShutdownDelay = port, time.Second
		}, nil},
		{"all at once", func(j *api.Job, g *api.TaskGroup, _ *jobspec.Block) {
			j.Update, g.Networks = &api.UpdateStrategy{AutoRevert: new(true)}, port
		}, []string{lock, revert, cut}},
		{"a policy that does nothing", func(j *api.Job, g *api.TaskGroup, b *jobspec.Block) {
			j.Update, g.Networks, b.Policy.Enabled = nil, port, false
		}, nil},
		{"a count that is fixed", func(j *api.Job, g *api.TaskGroup, b *jobspec.Block) {
			j.Update, g.Networks, b.Policy.MinInstances = nil, port, b.Policy.MaxInstances
		}, nil},
		{"a group that is not there", func(j *api.Job, g *api.TaskGroup, _ *jobspec.Block) { j.Update, g.Name = nil, new("other") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			block := jobspec.NewBlock(policy(t, nil))
			group := &api.TaskGroup{Name: new("app"), Tasks: []*api.Task{{Name: "app"}}}
			job := &api.Job{ID: new("shop"), TaskGroups: []*api.TaskGroup{group}, Update: &api.UpdateStrategy{MaxParallel: new(0)}}
			c.edit(job, group, &block)
			advice := jobspec.Advise(job, block)
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
