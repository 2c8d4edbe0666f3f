package nomad

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

const (
	// diagnosisTime is the time for finding out what is wrong after the wait has ended.
	diagnosisTime = 10 * time.Second
	// maxUnreachable is how many queries may fail while waiting.
	maxUnreachable = 10
)

// rollout follows one version of a job until its allocations run.
type rollout struct {
	*Deployments
	namespace, job   string
	version, created uint64
	evaluation       string
	evaluationIndex  uint64
	// seen is the job as it was last read; nil if that is known to be outdated.
	seen *api.Job
	// deploymentOnly does not wait for allocations without a deployment.
	deploymentOnly bool
	// deployment is the deployment that was last read.
	deployment *api.Deployment
}

// verdict is the end of a wait for a reason other than an unreachable Nomad.
type verdict string

func (v verdict) Error() string { return string(v) }

func newRollout(d *Deployments, w Written) *rollout {
	return &rollout{
		Deployments: d, namespace: *w.Job.Namespace, job: *w.Job.ID, version: *w.Job.Version, created: *w.Job.CreateIndex,
		evaluation: w.Evaluation, evaluationIndex: w.EvaluationIndex, seen: w.Job,
	}
}

// await waits for the rollout. Its error is a [*RolloutError].
func (r *rollout) await(ctx context.Context) error {
	var err error
	for range maxUnreachable {
		if err = r.evaluated(ctx); err == nil {
			err = r.healthy(ctx)
		}
		if err == nil {
			return nil
		}
		if errors.As(err, new(verdict)) || errors.Is(err, ErrNotFound) || !sleep(ctx, retryPause) {
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

func (r *rollout) query(ctx context.Context, index uint64) *api.QueryOptions {
	query := blockingOptions(ctx, r.namespace, index)
	query.WaitTime = maxBlockingTime
	return query
}

// evaluated waits until the scheduler has processed the evaluation of the write.
func (r *rollout) evaluated(ctx context.Context) error {
	id, index := r.evaluation, r.evaluationIndex
	for id != "" {
		evaluation, meta, err := r.api.Evaluations().Info(id, r.query(ctx, index))
		if statusCode(err) == http.StatusNotFound {
			return nil // superseded and garbage-collected
		}
		if err != nil {
			return wrap(err, "reading evaluation %s of job %s", id, r.job)
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

// healthy waits for the deployment of the job, or for its allocations if no group
// deploys.
func (r *rollout) healthy(ctx context.Context) error {
	if !slices.ContainsFunc(r.seen.TaskGroups, jobspec.Deploys) {
		return r.undeployed(ctx)
	}
	return r.deployed(ctx)
}

// deployed waits for the deployment of the job, or for its allocations if it has no
// deployment.
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

// latestDeployment returns the newest deployment of the job that is not older than
// the written version, or nil.
func (r *rollout) latestDeployment(ctx context.Context, index uint64) (*api.Deployment, *api.QueryMeta, error) {
	deployments, meta, err := r.api.Jobs().Deployments(r.job, true, r.query(ctx, index))
	if err != nil {
		return nil, nil, wrap(err, "reading the deployments of job %s", r.job)
	}
	for _, deployment := range deployments {
		if deployment.JobVersion >= r.version && deployment.JobCreateIndex == r.created {
			return deployment, meta, nil
		}
	}
	return nil, meta, nil
}

// superseded returns a verdict if a deployment was cancelled although there is no
// newer version of the job. A scaling creates a newer version, whose allocations are
// waited for too.
func (r *rollout) superseded(ctx context.Context) error {
	job, err := r.live(ctx)
	if err == nil && *job.Version <= r.deployment.JobVersion {
		err = verdict("its deployment was cancelled")
	}
	return err
}

// live reads the job, and returns a verdict if it was stopped.
func (r *rollout) live(ctx context.Context) (*api.Job, error) {
	job, err := r.jobs.ReadJob(ctx, r.namespace, r.job)
	if err == nil && jobspec.Stopped(job) {
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

// running waits until each group has as many running allocations as its count. If
// fewer allocations than that should run, it reads the job again: the job was scaled
// or stopped, or there is no room.
func (r *rollout) running(ctx context.Context) error {
	var index uint64
	for {
		allocations, meta, err := r.api.Jobs().Allocations(r.job, false, r.query(ctx, index))
		if err != nil {
			return wrap(err, "reading the allocations of job %s", r.job)
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

// lacks reports whether a group has fewer allocations than its count.
func lacks(job *api.Job, allocations map[string]int) bool {
	return slices.ContainsFunc(job.TaskGroups, func(g *api.TaskGroup) bool { return allocations[*g.Name] < *g.Count })
}

// diagnose returns the error of a wait with what an operator needs to know. It leaves
// out what it cannot find out.
func (r *rollout) diagnose(ctx context.Context, end error) *RolloutError {
	e := &RolloutError{Namespace: r.namespace, Job: r.job, Reason: end.Error()}
	e.unreachable = !errors.As(end, new(verdict)) && !errors.Is(end, ErrNotFound) &&
		!errors.Is(end, context.DeadlineExceeded) && !errors.Is(end, context.Canceled)
	if r.deployment != nil {
		if d, _, err := r.api.Deployments().Info(r.deployment.ID, queryOptions(ctx, r.namespace)); err == nil {
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
	if allocations, _, err := r.api.Jobs().Allocations(r.job, false, queryOptions(ctx, r.namespace)); err == nil {
		e.Allocations = r.troubled(allocations)
	}
	if evaluations, _, err := r.api.Jobs().Evaluations(r.job, queryOptions(ctx, r.namespace)); err == nil {
		e.Blocked = blockedGroups(evaluations)
	}
	return e
}

// troubled returns the allocations that fail, followed by those that do not start.
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
	return all[:min(len(all), maxTroubled)]
}
