package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Evaluation is what Nomad still has to do for the instances of a job.
type Evaluation struct {
	// ID is the evaluation's ID.
	ID string
	// Namespace and Job name the job.
	Namespace, Job string
	// Unplaced has the reason by group why Nomad cannot place instances, and waits for
	// room.
	Unplaced map[string]string
	// Until is when Nomad processes it again, which is when it replaces a failed
	// instance; zero for at once.
	Until time.Time
}

// Pending reports whether Nomad still has something to do.
func (e Evaluation) Pending() bool { return e.Unplaced != nil || !e.Until.IsZero() }

// pendingEvaluations is the filter for the evaluations from which an [Evaluation] has
// more than names.
const pendingEvaluations = `Status == "blocked" or (Status == "pending" and TriggeredBy == "alloc-reschedule")`

func newEvaluation(e *api.Evaluation) Evaluation {
	out := Evaluation{ID: e.ID, Namespace: e.Namespace, Job: e.JobID}
	switch e.Status {
	case api.EvalStatusBlocked:
		out.Unplaced = make(map[string]string, len(e.FailedTGAllocs))
		for group, metric := range e.FailedTGAllocs {
			out.Unplaced[group] = placementFailure(metric)
		}
	case api.EvalStatusPending:
		out.Until = e.WaitUntil
	}
	return out
}

// placementFailure returns the reason why instances cannot be placed.
func placementFailure(m *api.AllocationMetric) string {
	var reasons []string
	nodes := func(n int) string {
		if n == 1 {
			return "1 node"
		}
		return fmt.Sprintf("%d nodes", n)
	}
	for _, quota := range m.QuotaExhausted {
		reasons = append(reasons, "quota reached: "+quota)
	}
	for _, dimension := range slices.Sorted(maps.Keys(m.DimensionExhausted)) {
		reasons = append(reasons, dimension+" exhausted on "+nodes(m.DimensionExhausted[dimension]))
	}
	for _, constraint := range slices.Sorted(maps.Keys(m.ConstraintFiltered)) {
		reasons = append(reasons, constraint+" rules out "+nodes(m.ConstraintFiltered[constraint]))
	}
	if reasons == nil {
		reasons = append(reasons, nodes(m.NodesEvaluated)+" can be considered")
	}
	count := "1 instance"
	if m.CoalescedFailures > 0 {
		count = fmt.Sprintf("%d instances", 1+m.CoalescedFailures)
	}
	return count + " cannot be placed: " + strings.Join(reasons, ", ")
}
