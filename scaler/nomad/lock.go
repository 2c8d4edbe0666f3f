package nomad

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strconv"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// To Nomad a change of the count is a deployment, and while a deployment is
// active Nomad refuses to scale the job, both up and down: for ten seconds and
// more with the default update block. Registering the job with the new count is
// not refused, and cancels the deployment. That is right when the deployment
// only came from a count, and wrong when something is being rolled out.

// passLock sets the count by registering the job, and records the scaling event
// that Nomad leaves out then. It returns an [ErrLocked] that says why when the
// deployment is more than a change of the count.
func (c *Client) passLock(ctx context.Context, job *api.Job, app scaler.AppID, change Change) error {
	if err := c.rollout(ctx, job); err != nil {
		return err
	}
	options := &api.RegisterOptions{EnforceIndex: true, ModifyIndex: *job.JobModifyIndex}
	if submission, err := c.submission(ctx, job); err == nil {
		options.Submission = submission
	}
	job.LookupTaskGroup(app.Group).Count = &change.To
	job.VersionTag = nil // it stays with the version that it was given to
	_, _, err := c.api.Jobs().RegisterOpts(job, options, writing(ctx, app.Namespace))
	if status(err) == http.StatusForbidden {
		// Without the right to register, the lock is waited for.
		return fmt.Errorf("%w, and the token lacks the capability submit-job to pass it", ErrLocked)
	}
	if err != nil {
		return refusal(err)
	}
	meta := map[string]any{metaDesired: strconv.Itoa(change.From), metaCount: strconv.Itoa(change.To)}
	maps.Copy(meta, change.Meta)
	return c.Record(ctx, app, change.Reason, meta)
}

// rollout returns an [ErrLocked] that says why the job's deployment is to be
// respected, or nil when all that it does is change a count.
func (c *Client) rollout(ctx context.Context, job *api.Job) error {
	deployment, _, err := c.api.Jobs().LatestDeployment(*job.ID, reading(ctx, *job.Namespace))
	if err != nil || deployment == nil {
		return err
	}
	respected := func(why string) error { return fmt.Errorf("%w: %s", ErrLocked, why) }
	if deployment.Status != api.DeploymentStatusRunning {
		return respected("it is " + deployment.Status)
	}
	for name, group := range deployment.TaskGroups {
		switch {
		case group.DesiredCanaries > 0:
			return respected("group " + name + " has canaries")
		case group.UnhealthyAllocs > 0:
			return respected("group " + name + " has unhealthy allocations")
		case group.AutoRevert:
			return respected("group " + name + " has auto_revert, which goes by the deployments that succeed")
		}
	}
	return c.sameSpecification(ctx, job, deployment)
}

// sameSpecification returns an [ErrLocked] unless the version that brought the
// job's newest specification has been rolled out, and the deployment and every
// allocation that is to run have it: then nothing is being rolled out. The
// deployment can be of an earlier count: Nomad makes one for the newest version
// a moment after its registration.
func (c *Client) sameSpecification(ctx context.Context, job *api.Job, deployment *api.Deployment) error {
	versions, _, _, err := c.api.Jobs().Versions(*job.ID, false, reading(ctx, *job.Namespace))
	if err != nil {
		return err
	}
	same := make(map[uint64]bool)
	newest := specification(job)
	for _, version := range versions {
		same[*version.Version] = reflect.DeepEqual(specification(version), newest)
	}
	if !same[deployment.JobVersion] {
		return fmt.Errorf("%w: version %d has another specification than the deployment's", ErrLocked, *job.Version)
	}
	introduced := *job.Version
	for introduced > 0 && same[introduced-1] {
		introduced--
	}
	// Nomad keeps a few versions only. One that came before them all is long over.
	if _, replaced := same[introduced-1]; introduced > 0 && replaced {
		if err := c.rolledOut(ctx, job, introduced); err != nil {
			return err
		}
	}
	allocations, _, err := c.api.Jobs().Allocations(*job.ID, false, reading(ctx, *job.Namespace))
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

// rolledOut returns an [ErrLocked] while a version's deployment is unfinished. A
// version without one has nothing to wait for.
func (c *Client) rolledOut(ctx context.Context, job *api.Job, version uint64) error {
	deployments, _, err := c.api.Jobs().Deployments(*job.ID, false, reading(ctx, *job.Namespace))
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

// specification is a job without what scaling and Nomad's own bookkeeping
// change.
func specification(job *api.Job) *api.Job {
	s := *job
	s.Stable, s.Version, s.Status, s.StatusDescription = nil, nil, nil, nil
	s.SubmitTime, s.CreateIndex, s.ModifyIndex, s.JobModifyIndex, s.VersionTag = nil, nil, nil, nil, nil
	s.TaskGroups = make([]*api.TaskGroup, len(job.TaskGroups))
	for i, group := range job.TaskGroups {
		g := *group
		g.Count, g.Scaling = nil, nil
		s.TaskGroups[i] = &g
	}
	return &s
}
