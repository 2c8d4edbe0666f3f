package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestPlacementFailure(t *testing.T) {
	for want, m := range map[string]api.AllocationMetric{
		"1 instance cannot be placed: memory exhausted on 3 nodes":                                 {NodesEvaluated: 3, DimensionExhausted: map[string]int{"memory": 3}},
		"4 instances cannot be placed: cpu exhausted on 1 node, missing drivers rules out 2 nodes": {CoalescedFailures: 3, DimensionExhausted: map[string]int{"cpu": 1}, ConstraintFiltered: map[string]int{"missing drivers": 2}},
		"1 instance cannot be placed: quota reached: team (memory)":                                {QuotaExhausted: []string{"team (memory)"}},
		"1 instance cannot be placed: 0 nodes can be considered":                                   {},
	} {
		if got := placementFailure(&m); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
