package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// RolloutError tells why a written job is not running as it should.
type RolloutError struct {
	// Namespace and Job name the job.
	Namespace, Job string
	// Deployment is its deployment, or nil when it has none.
	Deployment *api.Deployment
	// Reason is why there is nothing more to wait for.
	Reason string
	// Allocations are those that fail or do not start.
	Allocations []AllocationTrouble
	// Blocked says for each group why allocations cannot be placed.
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

// AwaitsPromotion reports that all is well and a person is to promote the
// canaries.
func (e *RolloutError) AwaitsPromotion() bool {
	return e.Deployment != nil && e.Deployment.Status == api.DeploymentStatusRunning && needsPromotion(e.Deployment)
}

// Unreachable reports that Nomad could not be asked any longer.
func (e *RolloutError) Unreachable() bool { return e.unreachable }

// Unwrap returns the context's error when waiting was cut short.
func (e *RolloutError) Unwrap() error { return e.cause }

// Error tells the whole story, over several lines, with the commands to look
// further.
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
		fmt.Fprintf(&b, "\nAllocation %.8s (%s) on node %s is %s: %s.", a.ID, a.Name, a.Node, a.Status, strings.TrimSuffix(strings.Join(a.Events, "; "), "."))
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

const (
	// pollAtMost bounds a blocking query, so that what it does not watch is
	// noticed too.
	pollAtMost = 5 * time.Second
	// diagnosisTime is for finding out what is wrong after the time is up.
	diagnosisTime = 10 * time.Second
	// unreachableTimes is how often Nomad may be out of reach while waiting.
	unreachableTimes = 10
	// mostAllocations is how many failing allocations an error names.
	mostAllocations = 3
	// mostEvents is how many events it tells of each.
	mostEvents = 3
)

// AwaitHealthy waits until a written job is deployed: its deployment is
// successful or, where its update block asks for none, its allocations run. A
// placement that is blocked is waited for, since nodes may come. Every other
// end, and the context's, is a [*RolloutError].
func (c *Client) AwaitHealthy(ctx context.Context, w Written) error {
	return c.newRollout(w).await(ctx)
}

// AwaitDeployed waits until the deployment of a written job is over, if it has
// one: Nomad refuses to scale the job until then. Nothing is waited for when the
// job is stopped, or was not written. The errors are those of AwaitHealthy.
func (c *Client) AwaitDeployed(ctx context.Context, w Written) error {
	if w.Evaluation == "" || stopped(w.Job) {
		return nil
	}
	r := c.newRollout(w)
	r.deploymentOnly = true
	return r.await(ctx)
}

// AwaitRollout waits while a job is being rolled out, until the context ends: when
// the job is written in the middle of it, Nomad can be left waiting for the health
// of an allocation that nobody reports any more. A rollout that waits for a person
// is not waited for, nor what cannot be read, nor the deployment of a count.
func (c *Client) AwaitRollout(ctx context.Context, namespace, id string) {
	var index uint64
	for {
		query := reading(ctx, namespace)
		query.WaitIndex = index
		d, meta, err := c.api.Jobs().LatestDeployment(id, query)
		if err != nil || d == nil || d.Status != api.DeploymentStatusRunning || needsPromotion(d) {
			return
		}
		job, err := c.ReadJob(ctx, namespace, id)
		if err != nil || !errors.Is(c.rollout(ctx, job), ErrLocked) {
			return
		}
		index = meta.LastIndex
	}
}

func (c *Client) newRollout(w Written) *rollout {
	return &rollout{
		client: c, namespace: *w.Job.Namespace, job: *w.Job.ID, version: *w.Job.Version, created: *w.Job.CreateIndex,
		evaluation: w.Evaluation, evaluationIndex: w.EvaluationIndex, seen: w.Job,
	}
}

func (r *rollout) await(ctx context.Context) error {
	var err error
	for range unreachableTimes {
		if err = r.evaluated(ctx); err == nil {
			err = r.healthy(ctx)
		}
		if err == nil {
			return nil
		}
		var final verdict
		if errors.As(err, &final) || errors.Is(err, ErrNotFound) || !wait(ctx, retryPause) {
			break
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		err = ctx.Err()
	}
	diagnosis, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTime)
	defer cancel()
	return r.diagnose(diagnosis, err)
}

// verdict is the end of waiting, other than not reaching Nomad.
type verdict string

func (v verdict) Error() string { return string(v) }

// rollout is the way of one version of a job to its allocations.
type rollout struct {
	client           *Client
	namespace, job   string
	version, created uint64
	evaluation       string
	evaluationIndex  uint64
	// seen is the job as it was last read, nil when that is known to be outdated.
	seen *api.Job
	// deploymentOnly leaves out what is started without a deployment.
	deploymentOnly bool
	// deployment is the one that was last seen.
	deployment *api.Deployment
}

func (r *rollout) query(ctx context.Context, index uint64) *api.QueryOptions {
	query := reading(ctx, r.namespace)
	query.WaitIndex, query.WaitTime = index, pollAtMost
	return query
}

// evaluated waits until the scheduler has looked at the job.
func (r *rollout) evaluated(ctx context.Context) error {
	id, index := r.evaluation, r.evaluationIndex
	for id != "" {
		evaluation, meta, err := r.client.api.Evaluations().Info(id, r.query(ctx, index))
		if status(err) == http.StatusNotFound {
			return nil // superseded and collected
		}
		if err != nil {
			return explain(err, "reading evaluation %s of job %s", id, r.job)
		}
		switch evaluation.Status {
		case api.EvalStatusFailed:
			return verdict("the scheduler failed: " + evaluation.StatusDescription)
		case api.EvalStatusPending:
			index = meta.LastIndex
		default:
			return nil
		}
	}
	return nil
}

// healthy waits for the deployment of the job, or for its allocations where there
// is to be none.
func (r *rollout) healthy(ctx context.Context) error {
	if !slices.ContainsFunc(r.seen.TaskGroups, deploys) {
		return r.undeployed(ctx)
	}
	return r.deployed(ctx)
}

// deployed waits for the deployment of the job, or for its allocations.
func (r *rollout) deployed(ctx context.Context) error {
	var index uint64
	for {
		before := r.deployment
		deployment, meta, err := r.latestDeployment(ctx, index)
		if err != nil {
			return err
		}
		r.deployment = deployment
		if deployment == nil {
			return r.undeployed(ctx)
		}
		switch deployment.Status {
		case api.DeploymentStatusSuccessful:
			return nil
		case api.DeploymentStatusFailed:
			return verdict("its deployment has failed")
		case api.DeploymentStatusCancelled:
			if err := r.superseded(ctx); err != nil {
				return err
			}
			if before != nil && before.ID == deployment.ID {
				r.seen = nil
				return r.undeployed(ctx) // the newer version has no deployment
			}
		case api.DeploymentStatusRunning:
			if needsPromotion(deployment) {
				return verdict("its canaries are waiting for promotion")
			}
		}
		index = meta.LastIndex
	}
}

// latestDeployment reads the newest deployment of the job that is not older
// than what was written, or nil.
func (r *rollout) latestDeployment(ctx context.Context, index uint64) (*api.Deployment, *api.QueryMeta, error) {
	deployments, meta, err := r.client.api.Jobs().Deployments(r.job, true, r.query(ctx, index))
	if err != nil {
		return nil, nil, explain(err, "reading the deployments of job %s", r.job)
	}
	for _, deployment := range deployments {
		if deployment.JobVersion >= r.version && deployment.JobCreateIndex == r.created {
			return deployment, meta, nil
		}
	}
	return nil, meta, nil
}

// superseded reports why a deployment was cancelled, unless a newer version of
// the job has taken over: a scaling makes one, and what it starts is waited for
// too.
func (r *rollout) superseded(ctx context.Context) error {
	job, err := r.live(ctx)
	if err == nil && *job.Version <= r.deployment.JobVersion {
		err = verdict("its deployment was cancelled")
	}
	return err
}

// live reads the job as long as it is to run.
func (r *rollout) live(ctx context.Context) (*api.Job, error) {
	job, err := r.client.ReadJob(ctx, r.namespace, r.job)
	if err == nil && stopped(job) {
		err = verdict("it was stopped meanwhile")
	}
	return job, err
}

// undeployed waits for a job without a deployment.
func (r *rollout) undeployed(ctx context.Context) error {
	if r.deploymentOnly {
		return nil
	}
	return r.running(ctx)
}

// running waits until as many allocations run as each group counts. The job is
// read again when fewer than it counts are to run: then it was scaled or stopped,
// or there is no room.
func (r *rollout) running(ctx context.Context) error {
	var index uint64
	for {
		allocations, meta, err := r.client.api.Jobs().Allocations(r.job, false, r.query(ctx, index))
		if err != nil {
			return explain(err, "reading the allocations of job %s", r.job)
		}
		placed, up := make(map[string]int), make(map[string]int)
		for _, a := range allocations {
			if a.JobVersion < r.version || a.DesiredStatus != api.AllocDesiredStatusRun {
				continue
			}
			placed[a.TaskGroup]++
			switch a.ClientStatus {
			case api.AllocClientStatusRunning:
				up[a.TaskGroup]++
			case api.AllocClientStatusFailed:
				return verdict("an allocation has failed")
			}
		}
		if r.seen == nil || lacks(r.seen, placed) {
			if r.seen, err = r.live(ctx); err != nil {
				r.seen = nil
				return err
			}
		}
		if !lacks(r.seen, up) {
			return nil
		}
		index = meta.LastIndex
	}
}

// lacks reports whether a group counts more than there are.
func lacks(job *api.Job, there map[string]int) bool {
	return slices.ContainsFunc(job.TaskGroups, func(g *api.TaskGroup) bool { return there[*g.Name] < *g.Count })
}

// needsPromotion goes by Nomad's description: there is no field for it.
func needsPromotion(d *api.Deployment) bool {
	return strings.Contains(d.StatusDescription, "requires manual promotion")
}

// diagnose turns the end of waiting into what a person needs to know. What it
// cannot find out is left out.
func (r *rollout) diagnose(ctx context.Context, end error) *RolloutError {
	e := &RolloutError{Namespace: r.namespace, Job: r.job, Reason: end.Error()}
	var final verdict
	e.unreachable = !errors.As(end, &final) && !errors.Is(end, ErrNotFound) && !errors.Is(end, context.DeadlineExceeded) && !errors.Is(end, context.Canceled)
	if r.deployment != nil {
		if d, _, err := r.client.api.Deployments().Info(r.deployment.ID, reading(ctx, r.namespace)); err == nil {
			r.deployment = d
		}
		e.Deployment = r.deployment
	}
	switch {
	case errors.Is(end, context.DeadlineExceeded):
		e.cause, e.Reason = context.DeadlineExceeded, "it is not healthy after the time that timeouts allows"
	case errors.Is(end, context.Canceled):
		e.cause, e.Reason = context.Canceled, "waiting for it was interrupted"
	}
	if allocations, _, err := r.client.api.Jobs().Allocations(r.job, false, reading(ctx, r.namespace)); err == nil {
		e.Allocations = r.troubled(allocations)
	}
	if evaluations, _, err := r.client.api.Jobs().Evaluations(r.job, reading(ctx, r.namespace)); err == nil {
		e.Blocked = blockedGroups(evaluations)
	}
	return e
}

// troubled picks the allocations that fail, before those that do not start.
func (r *rollout) troubled(allocations []*api.AllocationListStub) []AllocationTrouble {
	var failed, starting []AllocationTrouble
	for _, a := range allocations {
		trouble := AllocationTrouble{ID: a.ID, Name: a.Name, Node: a.NodeName, Status: a.ClientStatus, Events: lastEvents(a)}
		unhealthy := a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && !*a.DeploymentStatus.Healthy
		healthy := a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && *a.DeploymentStatus.Healthy
		switch {
		case a.JobVersion < r.version:
		case a.ClientStatus == api.AllocClientStatusFailed || unhealthy:
			failed = append(failed, trouble)
		case a.DesiredStatus == api.AllocDesiredStatusRun && !healthy && (a.ClientStatus == api.AllocClientStatusPending || r.deployment != nil):
			starting = append(starting, trouble)
		}
	}
	all := append(failed, starting...)
	return all[:min(len(all), mostAllocations)]
}

// lastEvents are the newest events of an allocation's tasks, the failed ones'
// when there are any.
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
		for _, event := range state.Events[max(0, len(state.Events)-mostEvents):] {
			events = append(events, fmt.Sprintf("task %s: %s: %s", task, event.Type, event.DisplayMessage))
		}
	}
	if len(events) == 0 {
		return []string{"no event of a task yet"}
	}
	return events
}

// blockedGroups tells for each group that waits for a place what it lacks. The
// newest evaluation that tried says so; evaluations come newest first.
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
			blocked = append(blocked, fmt.Sprintf("Group %s, %d not placed: %s.", group, m.CoalescedFailures+1, strings.Join(obstacles(m), "; ")))
		}
		return blocked
	}
	return nil
}

// obstacles are the reasons that a placement has failed for.
func obstacles(m *api.AllocationMetric) []string {
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
