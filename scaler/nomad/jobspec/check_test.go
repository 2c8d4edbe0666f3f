package jobspec_test

import (
	"errors"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestCheckScalable(t *testing.T) {
	job := func(edit func(*api.Job)) *api.Job {
		j := &api.Job{ID: new("shop"), TaskGroups: []*api.TaskGroup{{Name: new("web")}, {Name: new("db"), Scaling: &api.ScalingPolicy{}}}}
		edit(j)
		return j
	}
	for _, c := range []struct {
		name, group string
		job         *api.Job
		want        error
	}{
		{"a service by default", "web", job(func(*api.Job) {}), nil},
		{"a service", "web", job(func(j *api.Job) { j.Type = new("service") }), nil},
		{"no such group", "api", job(func(*api.Job) {}), jobspec.ErrNoGroup},
		{"a block of its own", "db", job(func(*api.Job) {}), jobspec.ErrSpecification},
		{"system", "web", job(func(j *api.Job) { j.Type = new("system") }), jobspec.ErrSpecification},
		{"sysbatch", "web", job(func(j *api.Job) { j.Type = new("sysbatch") }), jobspec.ErrSpecification},
		{"batch", "web", job(func(j *api.Job) { j.Type = new("batch") }), jobspec.ErrSpecification},
		{"several regions", "web", job(func(j *api.Job) { j.Multiregion = &api.Multiregion{Regions: []*api.MultiregionRegion{{Name: "a"}}} }), jobspec.ErrSpecification},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := jobspec.CheckScalable(c.job, c.group); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
