package load

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Snapshot is the load of an app at one gateway at a moment.
type Snapshot struct {
	// Since is when the gateway began to count. The load before is not known.
	Since time.Time `json:"since"`
	// Now is the moment.
	Now time.Time `json:"now"`
	// InFlight are the requests at the instances.
	InFlight int `json:"in_flight"`
	// Queued are the requests that wait for an instance.
	Queued int `json:"queued"`
	// RequestsPerMinute are the requests in progress and those that ended in
	// the trailing minute.
	RequestsPerMinute int `json:"requests_per_minute"`
	// Concurrency are the requests in flight and queued.
	Concurrency int `json:"concurrency"`
}

// UnmarshalJSON reads a snapshot and rejects negative numbers.
func (s *Snapshot) UnmarshalJSON(text []byte) error {
	type plain Snapshot
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	for name, n := range map[string]int{
		"in_flight": p.InFlight, "queued": p.Queued, "requests_per_minute": p.RequestsPerMinute, "concurrency": p.Concurrency,
	} {
		if n < 0 {
			return fmt.Errorf("%s = %d: must be at least 0", name, n)
		}
	}
	*s = Snapshot(p)
	return nil
}

// In is the load in a metric. A meter does not measure a custom one: known is false
// then, and n the number of requests.
func (s Snapshot) In(metric scaler.Metric) (n float64, known bool) {
	switch metric {
	case scaler.RequestsPerMinute:
		return float64(s.RequestsPerMinute), true
	case scaler.Concurrency:
		return float64(s.Concurrency), true
	default:
		return float64(s.Concurrency), false
	}
}
