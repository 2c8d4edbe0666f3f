package simulate

import (
	"encoding/json"
	"math"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// MarshalJSON writes the result with the policy's document. Times are written as
// the trace counts them, and the figures that are times are in seconds.
func (r Result) MarshalJSON() ([]byte, error) {
	type count struct {
		Time    string `json:"time"`
		Desired int    `json:"desired"`
		Ready   int    `json:"ready"`
	}
	type action struct {
		Time   string      `json:"time"`
		From   int         `json:"from"`
		To     int         `json:"to"`
		Rule   scaler.Rule `json:"rule"`
		Reason string      `json:"reason"`
	}
	counts := make([]count, len(r.Counts))
	for i, c := range r.Counts {
		counts[i] = count{r.FormatTime(c.Time), c.Desired, c.Ready}
	}
	actions := make([]action, len(r.Actions))
	for i, a := range r.Actions {
		actions[i] = action{r.FormatTime(a.Time), a.From, a.To, a.Rule, a.Reason}
	}
	figures := make(map[string]*float64)
	for _, f := range r.Figures() {
		figures[f.Key] = finite(f.Value)
	}
	return json.Marshal(struct {
		Document   scaler.Document     `json:"document"`
		Start      string              `json:"start"`
		End        string              `json:"end"`
		Step       string              `json:"step"`
		StartDelay string              `json:"start_delay"`
		Gateway    bool                `json:"gateway"`
		Figures    map[string]*float64 `json:"figures"`
		Counts     []count             `json:"counts"`
		Actions    []action            `json:"actions"`
	}{
		r.Policy.Document(), r.FormatTime(r.Start), r.FormatTime(r.End),
		scaler.FormatDuration(r.Step), scaler.FormatDuration(r.StartDelay), !r.WithoutGateway,
		figures, counts, actions,
	})
}

// finite is nil for a number that JSON cannot hold.
func finite(n float64) *float64 {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return &n
}
