package nomad

import (
	"context"
	"errors"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Change is a change of a group's count, with what its scaling event contains.
type Change struct {
	From, To int
	Reason   string
	Meta     map[string]any
}

// Scale changes the count of an app to that of a decision, which was made on a
// status. It returns the errors of [Scaling.SetCount].
func (s *Scaling) Scale(ctx context.Context, app scaler.AppID, from Status, d scaler.Decision) error {
	return s.SetCount(ctx, app, Change{From: from.Desired, To: d.Count, Reason: d.Reason(), Meta: Meta(d, from.History)})
}

// SetCount changes the count of an app. It returns [ErrConflict] if the count is not
// the one that the change starts from, [ErrLocked] while a rollout prevents it, and
// [ErrNotFound] if there is no such job or group. In all these cases nothing has
// changed.
func (s *Scaling) SetCount(ctx context.Context, app scaler.AppID, change Change) error {
	return wrap(s.setCount(ctx, app, change), "scaling %s from %d to %d", app, change.From, change.To)
}

// setCount reads the job first, because it compares the job's own index. What Nomad
// calls JobModifyIndex in the scale status is a different index.
func (s *Scaling) setCount(ctx context.Context, app scaler.AppID, change Change) error {
	job, _, err := s.api.Jobs().Info(app.Job, queryOptions(ctx, app.Namespace))
	if err != nil {
		return withCapability("read-job", app.Namespace, err)
	}
	group := job.LookupTaskGroup(app.Group)
	if group == nil {
		return ErrNotFound
	}
	if *group.Count != change.From {
		return ErrConflict
	}
	request := change.request(app)
	request.Count, request.JobModifyIndex = new(int64(change.To)), *job.JobModifyIndex
	_, _, err = s.api.Jobs().ScaleWithRequest(app.Job, request, writeOptions(ctx, app.Namespace))
	if err = refusal(err); errors.Is(err, ErrLocked) {
		return s.bypassDeploymentLock(ctx, job, app, change)
	}
	return withCapability("scale-job", app.Namespace, err)
}

// Record creates a scaling event that changes nothing.
func (s *Scaling) Record(ctx context.Context, app scaler.AppID, reason string, meta map[string]any) error {
	change := Change{Reason: reason, Meta: meta}
	_, _, err := s.api.Jobs().ScaleWithRequest(app.Job, change.request(app), writeOptions(ctx, app.Namespace))
	return wrap(withCapability("scale-job", app.Namespace, err), "recording a scaling event of %s", app)
}

// request returns the request for the change, without its count.
func (c Change) request(app scaler.AppID) *api.ScalingRequest {
	return &api.ScalingRequest{
		Target:  map[string]string{"Job": app.Job, "Group": app.Group},
		Message: c.Reason,
		Meta:    c.Meta,
	}
}
