package nomad

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Deployments waits for the deployments of jobs.
type Deployments struct {
	api  *api.Client
	jobs *Jobs
}

// AwaitHealthy waits until a written job is deployed: until its deployment succeeds
// or, if its update block asks for none, until its allocations run. It also waits
// for allocations that cannot be placed, because nodes may come. Every other end,
// and the context's, is a [*RolloutError].
func (d *Deployments) AwaitHealthy(ctx context.Context, w Written) error {
	return newRollout(d, w).await(ctx)
}

// AwaitDeployed waits until the deployment of a written job ends, if it has one:
// Nomad refuses to scale the job until then. It does not wait if the job is stopped
// or was not written. The errors are those of AwaitHealthy.
func (d *Deployments) AwaitDeployed(ctx context.Context, w Written) error {
	if w.Evaluation == "" || jobspec.Stopped(w.Job) {
		return nil
	}
	r := newRollout(d, w)
	r.deploymentOnly = true
	return r.await(ctx)
}

// AwaitRollout waits while a job is being rolled out, until the context ends. If the
// job were written meanwhile, Nomad could wait for an allocation whose health is no
// longer reported.
//
// AwaitRollout does not wait for a rollout that needs an operator, for the deployment
// of a changed count, or if the rollout cannot be read.
func (d *Deployments) AwaitRollout(ctx context.Context, namespace, id string) {
	var index uint64
	for {
		latest, meta, err := d.api.Jobs().LatestDeployment(id, blockingOptions(ctx, namespace, index))
		if err != nil || latest == nil || latest.Status != api.DeploymentStatusRunning || needsPromotion(latest) {
			return
		}
		job, err := d.jobs.ReadJob(ctx, namespace, id)
		if err != nil || !errors.Is(d.activeDeployment(ctx, job), ErrLocked) {
			return
		}
		index = meta.LastIndex
	}
}

// activeDeployment returns an [ErrLocked] with the reason if the count of a job must
// not be changed during its deployment. It returns nil if the deployment only changes
// a count.
func (d *Deployments) activeDeployment(ctx context.Context, job *api.Job) error {
	deployment, _, err := d.api.Jobs().LatestDeployment(*job.ID, queryOptions(ctx, *job.Namespace))
	if err != nil || deployment == nil {
		return err
	}
	locked := func(why string) error { return fmt.Errorf("%w: %s", ErrLocked, why) }
	if deployment.Status != api.DeploymentStatusRunning {
		return locked("it is " + deployment.Status)
	}
	for name, group := range deployment.TaskGroups {
		switch {
		case group.DesiredCanaries > 0:
			return locked("group " + name + " has canaries")
		case group.UnhealthyAllocs > 0:
			return locked("group " + name + " has unhealthy allocations")
		case group.AutoRevert:
			return locked("group " + name + " has auto_revert, which goes by the deployments that succeed")
		}
	}
	return d.rollingOut(ctx, job, deployment)
}

// rollingOut returns an [ErrLocked] if a specification is being rolled out. None is
// if the version that introduced the newest specification has been rolled out, and
// if the deployment and every allocation that should run have that specification.
//
// The deployment can be that of an earlier count: Nomad creates one for the newest
// version a moment after the registration.
func (d *Deployments) rollingOut(ctx context.Context, job *api.Job, deployment *api.Deployment) error {
	versions, _, _, err := d.api.Jobs().Versions(*job.ID, false, queryOptions(ctx, *job.Namespace))
	if err != nil {
		return err
	}
	same := make(map[uint64]bool)
	for _, version := range versions {
		same[*version.Version] = jobspec.SameSpecification(version, job)
	}
	if !same[deployment.JobVersion] {
		return fmt.Errorf("%w: version %d has another specification than the deployment's", ErrLocked, *job.Version)
	}
	introduced := *job.Version
	for introduced > 0 && same[introduced-1] {
		introduced--
	}
	// Nomad stores only a few versions. The rollout of an older one ended long ago.
	if _, replaced := same[introduced-1]; introduced > 0 && replaced {
		if err := d.unfinished(ctx, job, introduced); err != nil {
			return err
		}
	}
	allocations, _, err := d.api.Jobs().Allocations(*job.ID, false, queryOptions(ctx, *job.Namespace))
	if err != nil {
		return err
	}
	for _, allocation := range allocations {
		if allocation.DesiredStatus == api.AllocDesiredStatusRun && !same[allocation.JobVersion] {
			return fmt.Errorf("%w: version %d is being rolled out", ErrLocked, introduced)
		}
	}
	return nil
}

// unfinished returns an [ErrLocked] while the deployment of a version is unfinished.
// It returns nil for a version without a deployment.
func (d *Deployments) unfinished(ctx context.Context, job *api.Job, version uint64) error {
	deployments, _, err := d.api.Jobs().Deployments(*job.ID, false, queryOptions(ctx, *job.Namespace))
	if err != nil {
		return err
	}
	for _, deployment := range deployments {
		if deployment.JobVersion == version && deployment.Status != api.DeploymentStatusSuccessful {
			return fmt.Errorf("%w: version %d is being rolled out", ErrLocked, version)
		}
	}
	return nil
}
