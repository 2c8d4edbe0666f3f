package jobspec_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestBlockRoundTrip(t *testing.T) {
	p := policy(t, scaler.Document{
		"min_instances": "0", "max_instances": "1000000", "metric": "concurrency", "hosts": "a.example,b.example",
	})
	p.Enabled = false
	want := jobspec.NewBlock(p)
	want.Target = jobspec.Driver
	want.Min, want.Max, want.EvaluationInterval = 0, 2_000_000, want.EvaluationInterval*2
	// As Nomad stores it: through JSON.
	raw, err := json.Marshal(want.Render())
	if err != nil {
		t.Fatal(err)
	}
	var stored api.ScalingPolicy
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	got, err := jobspec.ParseBlock(&stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the block that comes back (-want +got):\n%s", diff)
	}
}

func TestParseBlock(t *testing.T) {
	block := func(strategy string, values map[string]any) *api.ScalingPolicy {
		return &api.ScalingPolicy{Min: new(int64(1)), Max: new(int64(5)), Policy: map[string]any{
			"check": []any{map[string]any{"load": []any{map[string]any{
				"source": "nomadscale", "query": "requests_per_minute default/web/app",
				"strategy": []any{map[string]any{strategy: []any{values}}},
			}}}},
		}}
	}
	target := func(more map[string]any) map[string]any {
		values := map[string]any{"namespace": "default", "job": "web", "group": "app", "max_instances": float64(5)}
		for key, value := range more {
			values[key] = value
		}
		return values
	}
	for name, test := range map[string]struct {
		block    *api.ScalingPolicy
		want     string // of the error
		notFound bool
	}{
		"numbers as a person writes them": {block: block("nomadscale", target(map[string]any{"target_requests_per_instance": float64(1000000), "scale_up_cooldown": float64(30)}))},
		"another strategy":                {block: block("threshold", target(nil)), notFound: true},
		"no check":                        {block: &api.ScalingPolicy{}, notFound: true},
		"a wrong value":                   {block: block("nomadscale", target(map[string]any{"metric": "cpu"})), want: `metric = "cpu": must be requests_per_minute, concurrency or custom`},
		"below Nomad's minimum":           {block: block("nomadscale", target(map[string]any{"min_instances": "0"})), want: `min_instances = "0": must be at least the min of the scaling block, which is 1`},
		"above Nomad's maximum":           {block: block("nomadscale", target(map[string]any{"max_instances": "6"})), want: `max_instances = "6": must be at most the max of the scaling block, which is 5`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jobspec.ParseBlock(test.block)
			if got := errors.Is(err, jobspec.ErrNotFound); got != test.notFound {
				t.Fatalf("not found: %t, want %t (%v)", got, test.notFound, err)
			}
			if test.notFound {
				return
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
