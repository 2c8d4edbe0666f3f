package nomad

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// Any scaling event can be decoded, whichever client created it.
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
