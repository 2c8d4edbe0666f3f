package nomad

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Evaluation is what Nomad still means to do for the instances of a job.
type Evaluation struct {
	// ID is the evaluation's ID.
	ID string
	// Namespace and Job name the job.
	Namespace, Job string
	// Unplaced says by group why Nomad cannot place instances and waits for
	// room.
	Unplaced map[string]string
	// Until is when it comes up again, which is when a failed instance is
	// replaced; zero for at once.
	Until time.Time
}

// Pending tells whether there is something left to be done.
func (e Evaluation) Pending() bool { return e.Unplaced != nil || !e.Until.IsZero() }

// pendingEvaluations selects the evaluations that an [Evaluation] says something of.
const pendingEvaluations = `Status == "blocked" or (Status == "pending" and TriggeredBy == "alloc-reschedule")`

func (c *Client) listEvaluations(ctx context.Context, w InstanceWatcher) (index uint64, err error) {
	query := reading(ctx, api.AllNamespacesNamespace)
	query.Filter = pendingEvaluations
	listed, meta, err := c.api.Evaluations().List(query)
	if err != nil {
		return 0, explain(needs("read-job", "*", err), "listing evaluations")
	}
	evaluations := make([]Evaluation, len(listed))
	for i, e := range listed {
		evaluations[i] = evaluation(e)
	}
	w.ReplaceEvaluations(evaluations)
	return meta.LastIndex, nil
}

func evaluation(e *api.Evaluation) Evaluation {
	out := Evaluation{ID: e.ID, Namespace: e.Namespace, Job: e.JobID}
	switch e.Status {
	case api.EvalStatusBlocked:
		out.Unplaced = make(map[string]string, len(e.FailedTGAllocs))
		for group, metric := range e.FailedTGAllocs {
			out.Unplaced[group] = unplaced(metric)
		}
	case api.EvalStatusPending:
		out.Until = e.WaitUntil
	}
	return out
}

// unplaced says why instances cannot be placed.
func unplaced(m *api.AllocationMetric) string {
	var why []string
	nodes := func(n int) string {
		if n == 1 {
			return "1 node"
		}
		return fmt.Sprintf("%d nodes", n)
	}
	for _, quota := range m.QuotaExhausted {
		why = append(why, "quota reached: "+quota)
	}
	for _, dimension := range slices.Sorted(maps.Keys(m.DimensionExhausted)) {
		why = append(why, dimension+" exhausted on "+nodes(m.DimensionExhausted[dimension]))
	}
	for _, constraint := range slices.Sorted(maps.Keys(m.ConstraintFiltered)) {
		why = append(why, constraint+" rules out "+nodes(m.ConstraintFiltered[constraint]))
	}
	if why == nil {
		why = append(why, nodes(m.NodesEvaluated)+" can be considered")
	}
	count := "1 instance"
	if m.CoalescedFailures > 0 {
		count = fmt.Sprintf("%d instances", 1+m.CoalescedFailures)
	}
	return count + " cannot be placed: " + strings.Join(why, ", ")
}
