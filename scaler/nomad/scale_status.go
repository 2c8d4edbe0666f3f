package nomad

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Scaling reads and changes the counts of groups.
type Scaling struct {
	api         *api.Client
	jobs        *Jobs
	deployments *Deployments
}

// Status is the count of a group and its past.
type Status struct {
	// Desired is the count of instances that should run; Running is how many do.
	Desired, Running int
	// Stopped means that the job was stopped.
	Stopped bool
	// History is the group's past.
	History History
}

// Status reads the count and the history of an app. It returns [ErrNotFound] if
// there is no such job or group.
func (s *Scaling) Status(ctx context.Context, app scaler.AppID) (Status, error) {
	job, group, err := s.scaleStatus(ctx, app, "scale")
	if err != nil {
		return Status{}, err
	}
	return Status{
		Desired: group.Desired,
		Running: group.Running,
		Stopped: job.JobStopped,
		History: readHistory(group.Events),
	}, nil
}

// Events reads the scaling events of an app, newest first. It returns [ErrNotFound]
// if there is no such job or group.
func (s *Scaling) Events(ctx context.Context, app scaler.AppID) ([]Event, error) {
	_, group, err := s.scaleStatus(ctx, app, "scaling events")
	if err != nil {
		return nil, err
	}
	return readEvents(group.Events), nil
}

// scaleStatus reads Nomad's scale status of an app. The errors say what of it was needed.
func (s *Scaling) scaleStatus(
	ctx context.Context, app scaler.AppID, what string,
) (job *api.JobScaleStatusResponse, group api.TaskGroupScaleStatus, err error) {
	job, _, err = s.api.Jobs().ScaleStatus(app.Job, queryOptions(ctx, app.Namespace))
	if err != nil {
		return nil, group, wrap(withCapability("read-job-scaling", app.Namespace, err), "reading the %s of %s", what, app)
	}
	group, ok := job.TaskGroups[app.Group]
	if !ok {
		return nil, group, fmt.Errorf("reading the %s of %s: the group: %w", what, app, ErrNotFound)
	}
	return job, group, nil
}

// maxStatusReaders is how many statuses are read at once.
const maxStatusReaders = 8

// Statuses reads the statuses of apps. Each app has an error, or nil.
func (s *Scaling) Statuses(ctx context.Context, apps []scaler.AppID) ([]Status, []error) {
	all, errs := make([]Status, len(apps)), make([]error, len(apps))
	var readers errgroup.Group
	readers.SetLimit(maxStatusReaders)
	for i, app := range apps {
		readers.Go(func() error {
			all[i], errs[i] = s.Status(ctx, app)
			return nil
		})
	}
	_ = readers.Wait() // the errors are in errs
	return all, errs
}
