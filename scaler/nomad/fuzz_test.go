package nomad

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// What is parsed is written and read as the same again.
func FuzzParseBlock(f *testing.F) {
	p, err := scaler.Parse(scaler.Document{"namespace": "default", "job": "web", "group": "app"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []any{NewBlock(p).Render(), &api.ScalingPolicy{}, map[string]any{"Policy": map[string]any{"check": []any{map[string]any{"load": 1}}}}} {
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
		b, err := ParseBlock(&policy)
		if err != nil {
			return
		}
		again, err := ParseBlock(b.Render())
		if diff := cmp.Diff(b, again); err != nil || diff != "" {
			t.Errorf("error %v, and (-first +again):\n%s", err, diff)
		}
	})
}

// No scaling event, whoever wrote it, breaks those who read the history.
func FuzzReadHistory(f *testing.F) {
	f.Add([]byte(`[{"Time": 1, "PreviousCount": 1, "Count": 2, "Meta": {"nomadscale.rule": "up", "nomadscale.last_up": "2026-11-22T12:00:00Z"}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var events []api.ScalingEvent
		if json.Unmarshal(text, &events) != nil {
			return
		}
		h := readHistory(events)
		if h.LastAction != nil && h.LastChange.Before(h.LastAction.Time) {
			t.Errorf("the last change was at %s, before the last action at %s", h.LastChange, h.LastAction.Time)
		}
		for _, event := range events {
			readEvent(event)
		}
	})
}
