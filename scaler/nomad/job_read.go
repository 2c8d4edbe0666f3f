package nomad

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Jobs reads and writes jobs.
type Jobs struct {
	api *api.Client
	// writes has one mutex for the writers of each job.
	writes keyedMutex
}

// ReadJob reads a job. It returns [ErrNotFound] if there is none.
func (j *Jobs) ReadJob(ctx context.Context, namespace, id string) (*api.Job, error) {
	job, _, err := j.api.Jobs().Info(id, queryOptions(ctx, namespace))
	if err != nil {
		return nil, wrap(withCapability("read-job", namespace, err), "reading job %s in namespace %s", id, namespace)
	}
	return job, nil
}

// absent reports whether a job certainly does not exist.
func (j *Jobs) absent(ctx context.Context, namespace, id string) bool {
	_, err := j.ReadJob(ctx, namespace, id)
	return errors.Is(err, ErrNotFound)
}

// Block reads the live scaling block of an app. It returns [ErrNotFound] if there is
// no such job or no nomadscale policy in it, [jobspec.ErrNoGroup], or the errors of
// [jobspec.ParseBlock].
func (j *Jobs) Block(ctx context.Context, app scaler.AppID) (jobspec.Block, error) {
	job, err := j.ReadJob(ctx, app.Namespace, app.Job)
	if err != nil {
		return jobspec.Block{}, err
	}
	return jobspec.BlockOf(job, app)
}

// Source returns the specification that a job was submitted with. If there is none,
// it returns that of [jobspec.Source].
func (j *Jobs) Source(ctx context.Context, job *api.Job, group string) (string, error) {
	submission, err := j.submission(ctx, job)
	if err != nil {
		return "", err
	}
	if submission != nil && submission.Source != "" {
		return submission.Source, nil
	}
	return jobspec.Source(job, group)
}

// submission returns the source that Nomad stores with a version of a job, or nil.
func (j *Jobs) submission(ctx context.Context, job *api.Job) (*api.JobSubmission, error) {
	submission, _, err := j.api.Jobs().Submission(*job.ID, int(*job.Version), queryOptions(ctx, *job.Namespace))
	if statusCode(err) == http.StatusNotFound {
		return nil, nil
	}
	return submission, wrap(withCapability("read-job", *job.Namespace, err), "reading the specification of job %s", *job.ID)
}

// versions returns the versions of a job that Nomad stores, newest first.
func (j *Jobs) versions(ctx context.Context, job *api.Job) ([]*api.Job, error) {
	versions, _, _, err := j.api.Jobs().Versions(*job.ID, false, queryOptions(ctx, *job.Namespace))
	return versions, wrap(err, "reading the versions of job %s", *job.ID)
}

// versionAt returns the version of a job that was written at an index, or
// [ErrConflict] if Nomad has it no longer.
func (j *Jobs) versionAt(ctx context.Context, job *api.Job, index uint64) (*api.Job, error) {
	versions, err := j.versions(ctx, job)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(versions, func(v *api.Job) bool { return *v.JobModifyIndex == index })
	if i < 0 {
		return nil, ErrConflict
	}
	return versions[i], nil
}
