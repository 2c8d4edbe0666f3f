package jobspec_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestMergeJobs(t *testing.T) {
	version := func(edits ...func(*api.Job)) *api.Job {
		j := declaredJob(t)
		for _, edit := range edits {
			edit(j)
		}
		return j
	}
	image := func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["image"] = "web:2" }
	attached := func(j *api.Job) { j.TaskGroups[1].Scaling = j.TaskGroups[0].Scaling }
	detached := func(j *api.Job) { j.TaskGroups[0].Scaling = nil }
	stop := func(j *api.Job) { *j.Stop = true }
	meta := func(j *api.Job) { j.Meta = map[string]string{"team.name": "y", "new": "1"} }
	unset := func(j *api.Job) { delete(j.Meta, "team.name") }
	group := func(j *api.Job) {
		j.TaskGroups = append(j.TaskGroups, &api.TaskGroup{Name: new("cache"), Count: new(1)})
	}
	without := func(j *api.Job) { j.TaskGroups = j.TaskGroups[:1] }
	for _, c := range []struct {
		name                 string
		earlier, later, want *api.Job
	}{
		{"nothing", version(), version(), version()},
		{"one side", version(image, stop), version(), version(image, stop)},
		{"the owner and a policy", version(image, meta), version(attached), version(image, meta, attached)},
		{"two policies", version(detached), version(attached), version(attached, detached)},
		{"stopped meanwhile", version(stop), version(attached), version(stop, attached)},
		{"a group that is new", version(group), version(detached), version(group, detached)},
		{"a group that is gone", version(without), version(detached), version(without, detached)},
		{"a key that is gone", version(unset), version(image), version(unset, image)},
		{"the same by both", version(meta), version(unset), version(func(j *api.Job) { j.Meta = map[string]string{"new": "1"} })},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := jobspec.Merge(version(), c.earlier, c.later)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jobspec.Flatten(c.want), jobspec.Flatten(got)); diff != "" || jobspec.Stopped(got) != jobspec.Stopped(c.want) {
				t.Errorf("stopped: %t, want %t (-want +got):\n%s", jobspec.Stopped(got), jobspec.Stopped(c.want), diff)
			}
			if diff := cmp.Diff(len(c.want.TaskGroups), len(got.TaskGroups)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}
