package simulate

import "encoding/json"

// Trial is the result of a policy under the name that people know the policy by.
type Trial struct {
	Name   string
	Result Result
}

// Comparison is what two policies would have done with the same load.
type Comparison struct{ Policy, Against Result }

// Compare puts two results side by side.
func Compare(policy, against Result) Comparison { return Comparison{policy, against} }

// Row is a figure of both policies.
type Row struct {
	Policy, Against Figure
	// Difference says how far Against is from Policy.
	Difference string
}

// Rows lists the figures of both policies.
func (c Comparison) Rows() []Row {
	policy, against := c.Policy.Figures(), c.Against.Figures()
	rows := make([]Row, len(policy))
	for i, f := range policy {
		rows[i] = Row{f, against[i], f.Difference(against[i])}
	}
	return rows
}

// MarshalJSON writes both results, and by key how much greater each figure of
// Against is than that of Policy.
func (c Comparison) MarshalJSON() ([]byte, error) {
	difference := make(map[string]*float64)
	for _, row := range c.Rows() {
		difference[row.Policy.Key] = finite(row.Against.Value - row.Policy.Value)
	}
	return json.Marshal(struct {
		Policy     Result              `json:"policy"`
		Against    Result              `json:"against"`
		Difference map[string]*float64 `json:"difference"`
	}{c.Policy, c.Against, difference})
}
