package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// A version that a write has overwritten is lost unless the job that was read is the
// same. A different count alone is no loss if Nomad was asked to preserve counts.
func TestOverwroteVersions(t *testing.T) {
	version := func(edit func(*api.Job)) *api.Job {
		d := declaration(t, scaler.Document{}, new(2))
		job, group := d.withBlock()
		job.Stop = new(false)
		group.Tasks = []*api.Task{{Name: "app", Driver: "docker", Config: map[string]any{"image": "web:1"}}}
		edit(job)
		return job
	}
	scaled := func(j *api.Job) { *j.TaskGroups[1].Count = 7 }
	for _, c := range []struct {
		name      string
		version   *api.Job
		preserved bool
		want      bool
	}{
		{"the same", version(func(*api.Job) {}), true, false},
		{"scaled, preserved", version(scaled), true, false},
		{"scaled, not preserved", version(scaled), false, true},
		{"stopped", version(func(j *api.Job) { *j.Stop = true }), true, true},
		{"another image", version(func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["image"] = "web:2" }), true, true},
		{"without the block", version(func(j *api.Job) { j.TaskGroups[0].Scaling = nil }), true, true},
		{"another group", version(func(j *api.Job) { j.TaskGroups[1].Name = new("cache") }), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := blockWrite{read: version(func(*api.Job) {}), preserved: c.preserved}
			if got := w.overwrote(c.version); got != c.want {
				t.Errorf("lost: %t, want %t", got, c.want)
			}
		})
	}
}
