package nomad

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Nomad makes a deployment of each change of the count. While a deployment is active,
// Nomad refuses to scale the job up or down: for ten seconds and more with the
// default update block. Nomad accepts a registration of the job with the new count,
// and then cancels the deployment. That is right if the deployment only comes from a
// count, and wrong if a specification is being rolled out.

// bypassDeploymentLock sets the count by registering the job, and records the scaling
// event that Nomad then leaves out. It returns an [ErrLocked] with the reason if the
// deployment is more than a change of the count.
func (s *Scaling) bypassDeploymentLock(ctx context.Context, job *api.Job, app scaler.AppID, change Change) error {
	if err := s.deployments.activeDeployment(ctx, job); err != nil {
		return err
	}
	options := &api.RegisterOptions{EnforceIndex: true, ModifyIndex: *job.JobModifyIndex}
	if submission, err := s.jobs.submission(ctx, job); err == nil {
		options.Submission = submission
	}
	job.LookupTaskGroup(app.Group).Count = &change.To
	job.VersionTag = nil // the tag stays with the version that it was given to
	_, _, err := s.api.Jobs().RegisterOpts(job, options, writeOptions(ctx, app.Namespace))
	if statusCode(err) == http.StatusForbidden {
		// Without the right to register the job, the caller waits for the lock.
		return fmt.Errorf("%w, and the token lacks the capability submit-job to bypass it", ErrLocked)
	}
	if err != nil {
		return refusal(err)
	}
	return s.Record(ctx, app, change.Reason, withCounts(change.Meta, change.From, change.To))
}

// blockingDeployment returns the reason why an active deployment of a job prevents a
// change of the count, or nil. Only the gateways and nomadscale's own target bypass
// the deployment of an earlier count.
func (s *Scaling) blockingDeployment(ctx context.Context, job *api.Job, b jobspec.Block) (reason, err error) {
	deployment, _, err := s.api.Jobs().LatestDeployment(*job.ID, queryOptions(ctx, *job.Namespace))
	if err != nil || deployment == nil {
		return nil, wrap(err, "reading the deployment of job %s", *job.ID)
	}
	switch deployment.Status {
	case api.DeploymentStatusSuccessful, api.DeploymentStatusFailed, api.DeploymentStatusCancelled:
		return nil, nil
	}
	switch err := s.deployments.activeDeployment(ctx, job); {
	case errors.Is(err, ErrLocked):
		return err, nil
	case err != nil:
		return nil, wrap(err, "reading the deployment of job %s", *job.ID)
	case b.Target != jobspec.Driver:
		return fmt.Errorf("%w of the autoscaler: Nomad scales no job that is being deployed, and only the gateways and the target %s bypass that",
			ErrLocked, jobspec.Driver), nil
	default:
		return nil, nil
	}
}
