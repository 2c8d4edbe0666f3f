package nomad

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

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
			if got := clamp(c.count, c.block); got != c.want {
				t.Errorf("%d becomes %d, want %d", c.count, got, c.want)
			}
		})
	}
}

// kept is a block as Nomad gives it back: through JSON, with what the servers add.
func kept(t *testing.T, block *api.ScalingPolicy, edit func(*api.ScalingPolicy)) *api.ScalingPolicy {
	t.Helper()
	text, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	back := new(api.ScalingPolicy)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	back.ID, back.ModifyIndex, back.Target = "x", 9, map[string]string{"Job": "shop"}
	edit(back)
	return back
}

func TestRendered(t *testing.T) {
	block := declaration(t, scaler.Document{"max_instances": "5", "rate_limit": "1000000"}, nil).Block
	custom := block
	custom.Source, custom.Query, custom.Target, custom.Max = "prometheus", "up", Driver, 20
	for _, c := range []struct {
		name  string
		block Block
		edit  func(*api.ScalingPolicy)
		want  bool
	}{
		{"as it was written", block, func(*api.ScalingPolicy) {}, true},
		{"with everything around it set", custom, func(*api.ScalingPolicy) {}, true},
		{"disabled", block, func(s *api.ScalingPolicy) { *s.Enabled = false }, true},
		{"with another cooldown", block, func(s *api.ScalingPolicy) { s.Policy["cooldown"] = "5m" }, false},
		{"with another name of the check", block, func(s *api.ScalingPolicy) {
			s.Policy["check"] = labelled("requests", labels(s.Policy["check"])[checkName])
		}, false},
		{"without a policy", block, func(s *api.ScalingPolicy) { s.Policy = nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rendered(kept(t, c.block.Render(), c.edit)); got != c.want {
				t.Errorf("rendered: %t, want %t", got, c.want)
			}
		})
	}
}

// A version that a write has gone over is lost unless the write said the same. A
// count alone is not, as long as Nomad was to preserve it.
func TestLostVersions(t *testing.T) {
	version := func(edit func(*api.Job)) *api.Job {
		j := declaredJob(t)
		edit(j)
		return j
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
			w := writeOver{read: declaredJob(t), preserved: c.preserved}
			if got := w.loses(c.version); got != c.want {
				t.Errorf("lost: %t, want %t", got, c.want)
			}
		})
	}
}
