package jobspec_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// A block that is parsed, written and parsed again stays the same.
func FuzzParseBlock(f *testing.F) {
	p, err := scaler.Parse(scaler.Document{"namespace": "default", "job": "web", "group": "app"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []any{jobspec.NewBlock(p).Render(), &api.ScalingPolicy{}, map[string]any{"Policy": map[string]any{"check": []any{map[string]any{"load": 1}}}}} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var policy api.ScalingPolicy
		if json.Unmarshal(text, &policy) != nil {
			return
		}
		b, err := jobspec.ParseBlock(&policy)
		if err != nil {
			return
		}
		again, err := jobspec.ParseBlock(b.Render())
		if diff := cmp.Diff(b, again); err != nil || diff != "" {
			t.Errorf("error %v, and (-first +again):\n%s", err, diff)
		}
	})
}
