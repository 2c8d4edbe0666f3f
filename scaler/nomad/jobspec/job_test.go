package jobspec_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestChangedCounts(t *testing.T) {
	group := func(name string, count *int) *api.TaskGroup { return &api.TaskGroup{Name: &name, Count: count} }
	before := &api.Job{TaskGroups: []*api.TaskGroup{group("web", new(1)), group("same", new(2)), group("changed", new(3)), group("dropped", new(4)), group("given", nil)}}
	after := &api.Job{TaskGroups: []*api.TaskGroup{group("web", new(9)), group("same", new(2)), group("changed", new(5)), group("dropped", nil), group("given", new(6)), group("new", new(7))}}
	scaled := group("scaled", new(8))
	scaled.Scaling = &api.ScalingPolicy{}
	after.TaskGroups = append(after.TaskGroups, scaled)
	want := map[string]int{"changed": 5, "given": 6, "new": 7}
	if diff := cmp.Diff(want, jobspec.ChangedCounts(before, after, "web")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClamp(t *testing.T) {
	between := &api.ScalingPolicy{Min: new(int64(2)), Max: new(int64(5))}
	for _, c := range []struct {
		name  string
		block *api.ScalingPolicy
		count int
		want  int
	}{
		{"no block", nil, 9, 9},
		{"no bounds", &api.ScalingPolicy{}, 9, 9},
		{"below", between, 0, 2},
		{"at the least", between, 2, 2},
		{"within", between, 3, 3},
		{"at the most", between, 5, 5},
		{"above", between, 9, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := jobspec.Clamp(c.count, c.block); got != c.want {
				t.Errorf("%d becomes %d, want %d", c.count, got, c.want)
			}
		})
	}
}

func TestSameSpecification(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*api.Job)
		want bool
	}{
		{"the same", func(*api.Job) {}, true},
		{"scaled", func(j *api.Job) { *j.TaskGroups[0].Count, *j.Version, *j.JobModifyIndex = 7, 4, 18 }, true},
		{"another policy", func(j *api.Job) { *j.TaskGroups[0].Scaling.Max = 20 }, true},
		{"another image", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["image"] = "web:2" }, false},
		{"stopped", func(j *api.Job) { *j.Stop = true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := declaredJob(t), declaredJob(t)
			c.edit(after)
			if got := jobspec.SameSpecification(before, after); got != c.want {
				t.Errorf("same: %t, want %t", got, c.want)
			}
			if before.TaskGroups[0].Count == nil || before.TaskGroups[0].Scaling == nil || before.Version == nil {
				t.Error("the job itself was changed")
			}
		})
	}
}

func TestSource(t *testing.T) {
	job := declaredJob(t)
	source, err := jobspec.Source(job, "web")
	if err != nil {
		t.Fatal(err)
	}
	var back struct{ Job *api.Job }
	if err := json.Unmarshal([]byte(source), &back); err != nil {
		t.Fatal(err)
	}
	want := declaredJob(t)
	want.TaskGroups[0].Scaling = nil
	if diff := cmp.Diff(jobspec.Flatten(want), jobspec.Flatten(back.Job)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if back.Job.Version != nil || back.Job.Status != nil || back.Job.Stop != nil {
		t.Error("the source has fields that Nomad fills in")
	}
	if job.TaskGroups[0].Scaling == nil {
		t.Error("the job itself was changed")
	}
}
