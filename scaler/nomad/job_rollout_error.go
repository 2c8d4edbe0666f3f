package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

const (
	// maxTroubled is how many allocations an error names.
	maxTroubled = 3
	// maxEvents is how many events of each task it lists.
	maxEvents = 3
)

// RolloutError is returned if a written job does not run as it should.
type RolloutError struct {
	// Namespace and Job name the job.
	Namespace, Job string
	// Deployment is its deployment, or nil if it has none.
	Deployment *api.Deployment
	// Reason is why there is nothing more to wait for.
	Reason string
	// Allocations are the allocations that fail or do not start.
	Allocations []AllocationTrouble
	// Blocked has a text for each group with allocations that cannot be placed.
	Blocked []string

	cause       error
	unreachable bool
}

// AllocationTrouble is what keeps an allocation from being healthy.
type AllocationTrouble struct {
	ID, Name, Node, Status string
	// Events are the last events of its tasks, oldest first.
	Events []string
}

// AwaitsPromotion reports whether the rollout only waits for an operator to promote
// the canaries.
func (e *RolloutError) AwaitsPromotion() bool {
	return e.Deployment != nil && e.Deployment.Status == api.DeploymentStatusRunning && needsPromotion(e.Deployment)
}

// Unreachable reports whether the wait ended because Nomad was unreachable.
func (e *RolloutError) Unreachable() bool { return e.unreachable }

// Unwrap returns the context's error if that has ended the wait.
func (e *RolloutError) Unwrap() error { return e.cause }

// Error returns a text of several lines: what is wrong, and the commands that show
// more.
func (e *RolloutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s in namespace %s: %s.", e.Job, e.Namespace, strings.TrimSuffix(e.Reason, "."))
	if d := e.Deployment; d != nil {
		fmt.Fprintf(&b, "\nDeployment %.8s, %s: %s.", d.ID, d.Status, strings.TrimSuffix(d.StatusDescription, "."))
	}
	for _, blocked := range e.Blocked {
		fmt.Fprintf(&b, "\n%s", blocked)
	}
	for _, a := range e.Allocations {
		events := strings.TrimSuffix(strings.Join(a.Events, "; "), ".")
		fmt.Fprintf(&b, "\nAllocation %.8s (%s) on node %s is %s: %s.", a.ID, a.Name, a.Node, a.Status, events)
	}
	b.WriteString("\n\nTo look further:")
	for _, command := range e.commands() {
		fmt.Fprintf(&b, "\n  %s", command)
	}
	return b.String()
}

func (e *RolloutError) commands() []string {
	commands := []string{fmt.Sprintf("nomad job status -namespace=%s %s", e.Namespace, e.Job)}
	if e.Deployment != nil {
		commands = append(commands, fmt.Sprintf("nomad deployment status -namespace=%s %.8s", e.Namespace, e.Deployment.ID))
	}
	for _, a := range e.Allocations[:min(1, len(e.Allocations))] {
		commands = append(commands,
			fmt.Sprintf("nomad alloc status -namespace=%s %.8s", e.Namespace, a.ID),
			fmt.Sprintf("nomad alloc logs -stderr -namespace=%s %.8s", e.Namespace, a.ID))
	}
	return commands
}

// needsPromotion reports whether canaries wait for promotion. It reads Nomad's
// description, because there is no field for it.
func needsPromotion(d *api.Deployment) bool {
	return strings.Contains(d.StatusDescription, "requires manual promotion")
}

// lastEvents returns the newest events of an allocation's tasks, or of the failed
// tasks if there are any.
func lastEvents(a *api.AllocationListStub) []string {
	anyFailed := false
	for _, state := range a.TaskStates {
		anyFailed = anyFailed || state.Failed
	}
	var events []string
	for _, task := range slices.Sorted(maps.Keys(a.TaskStates)) {
		state := a.TaskStates[task]
		if anyFailed && !state.Failed {
			continue
		}
		for _, event := range state.Events[max(0, len(state.Events)-maxEvents):] {
			events = append(events, fmt.Sprintf("task %s: %s: %s", task, event.Type, event.DisplayMessage))
		}
	}
	if len(events) == 0 {
		return []string{"no event of a task yet"}
	}
	return events
}

// blockedGroups returns a text for each group with allocations that cannot be placed.
// It reads the newest evaluation with failures; evaluations come newest first.
func blockedGroups(evaluations []*api.Evaluation) []string {
	if !slices.ContainsFunc(evaluations, func(e *api.Evaluation) bool { return e.Status == api.EvalStatusBlocked }) {
		return nil
	}
	for _, e := range evaluations {
		if len(e.FailedTGAllocs) == 0 {
			continue
		}
		var blocked []string
		for _, group := range slices.Sorted(maps.Keys(e.FailedTGAllocs)) {
			m := e.FailedTGAllocs[group]
			obstacles := strings.Join(placementObstacles(m), "; ")
			blocked = append(blocked, fmt.Sprintf("Group %s, %d not placed: %s.", group, m.CoalescedFailures+1, obstacles))
		}
		return blocked
	}
	return nil
}

// placementObstacles returns the reasons why a placement has failed.
func placementObstacles(m *api.AllocationMetric) []string {
	var all []string
	add := func(counts map[string]int, what string) {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			all = append(all, fmt.Sprintf(what, name, counts[name], m.NodesEvaluated))
		}
	}
	if m.NodesEvaluated == 0 {
		all = append(all, fmt.Sprintf("no node in node pool %q is ready in the job's datacenters", m.NodePool))
	}
	add(m.ConstraintFiltered, "constraint %s excludes %d of %d nodes")
	add(m.ClassFiltered, "node class %s excludes %d of %d nodes")
	add(m.DimensionExhausted, "%s exhausted on %d of %d nodes")
	add(m.ClassExhausted, "node class %s exhausted on %d of %d nodes")
	if len(m.QuotaExhausted) > 0 {
		all = append(all, "quota exhausted: "+strings.Join(m.QuotaExhausted, ", "))
	}
	return all
}
