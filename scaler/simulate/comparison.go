package simulate

import "encoding/json"

// Comparison is what two policies would have done with the same load.
type Comparison struct{ Policy, Against Result }

// MarshalJSON writes both results and, by key, how much greater each figure of
// Against is than that of Policy.
func (c Comparison) MarshalJSON() ([]byte, error) {
	difference := make(map[string]*float64)
	against := c.Against.Figures()
	for i, f := range c.Policy.Figures() {
		difference[f.Key] = finite(against[i].Value - f.Value)
	}
	return json.Marshal(struct {
		Policy     Result              `json:"policy"`
		Against    Result              `json:"against"`
		Difference map[string]*float64 `json:"difference"`
	}{c.Policy, c.Against, difference})
}
