package jobspec_test

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// kept returns a block as Nomad returns it: through JSON, with what the servers add.
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

func TestIsCanonical(t *testing.T) {
	block := jobspec.NewBlock(policy(t, scaler.Document{"max_instances": "5", "rate_limit": "1000000"}))
	custom := block
	custom.Source, custom.Query, custom.Target, custom.Max = "prometheus", "up", jobspec.Driver, 20
	for _, c := range []struct {
		name  string
		block jobspec.Block
		edit  func(*api.ScalingPolicy)
		want  bool
	}{
		{"as it was written", block, func(*api.ScalingPolicy) {}, true},
		{"with everything around it set", custom, func(*api.ScalingPolicy) {}, true},
		{"disabled", block, func(s *api.ScalingPolicy) { *s.Enabled = false }, true},
		{"with another cooldown", block, func(s *api.ScalingPolicy) { s.Policy["cooldown"] = "5m" }, false},
		{"with another name of the check", block, func(s *api.ScalingPolicy) {
			s.Policy["check"] = labelled("requests", body(s.Policy["check"], "load"))
		}, false},
		{"without a policy", block, func(s *api.ScalingPolicy) { s.Policy = nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := jobspec.IsCanonical(kept(t, c.block.Render(), c.edit)); got != c.want {
				t.Errorf("canonical: %t, want %t", got, c.want)
			}
		})
	}
}
