package nomad

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Status is what Nomad knows of a group's count.
type Status struct {
	// Desired is the count that Nomad is asked to run; Running are up.
	Desired, Running int
	// Stopped tells that the job was stopped.
	Stopped bool
	// History is the group's past.
	History History
}

// Status reads the count and the history of a policy's group. It returns
// [ErrNotFound] when there is no such job or group.
func (c *Client) Status(ctx context.Context, app scaler.AppID) (Status, error) {
	job, _, err := c.api.Jobs().ScaleStatus(app.Job, reading(ctx, app.Namespace))
	if err != nil {
		return Status{}, explain(needs("read-job-scaling", app.Namespace, err), "reading the scale of %s", app)
	}
	group, ok := job.TaskGroups[app.Group]
	if !ok {
		return Status{}, fmt.Errorf("reading the scale of %s: the group: %w", app, ErrNotFound)
	}
	return Status{
		Desired: group.Desired,
		Running: group.Running,
		Stopped: job.JobStopped,
		History: readHistory(group.Events),
	}, nil
}

// ErrLocked is returned while a rollout of the job keeps it from being scaled.
var ErrLocked = errors.New("a deployment is in the way")

// Scale asks Nomad for the count of a decision that was made on a status. It
// returns what [Client.SetCount] does.
func (c *Client) Scale(ctx context.Context, app scaler.AppID, from Status, d scaler.Decision) error {
	return c.SetCount(ctx, app, Change{From: from.Desired, To: d.Count, Reason: d.Reason(), Meta: Meta(d, from.History)})
}

// Change is a change of a group's count and what its scaling event says of it.
type Change struct {
	From, To int
	Reason   string
	Meta     map[string]any
}

// SetCount changes the count of a policy's group. It returns [ErrConflict] when
// the count is not what the change goes from, [ErrLocked] while a rollout is in
// the way, and [ErrNotFound] when there is no such job or group; in all these
// cases nothing has changed.
func (c *Client) SetCount(ctx context.Context, app scaler.AppID, change Change) error {
	return explain(c.setCount(ctx, app, change), "scaling %s from %d to %d", app, change.From, change.To)
}

// setCount reads the job first: the index to compare with is the job's own, and
// what Nomad calls JobModifyIndex in the scale status is another one.
func (c *Client) setCount(ctx context.Context, app scaler.AppID, change Change) error {
	job, _, err := c.api.Jobs().Info(app.Job, reading(ctx, app.Namespace))
	if err != nil {
		return needs("read-job", app.Namespace, err)
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
	_, _, err = c.api.Jobs().ScaleWithRequest(app.Job, request, writing(ctx, app.Namespace))
	if err = refusal(err); errors.Is(err, ErrLocked) {
		return c.passLock(ctx, job, app, change)
	}
	return needs("scale-job", app.Namespace, err)
}

// Record leaves a scaling event that changes nothing.
func (c *Client) Record(ctx context.Context, app scaler.AppID, reason string, meta map[string]any) error {
	change := Change{Reason: reason, Meta: meta}
	_, _, err := c.api.Jobs().ScaleWithRequest(app.Job, change.request(app), writing(ctx, app.Namespace))
	return explain(needs("scale-job", app.Namespace, err), "recording a scaling event of %s", app)
}

// request is the change without its count.
func (ch Change) request(app scaler.AppID) *api.ScalingRequest {
	return &api.ScalingRequest{
		Target:  map[string]string{"Job": app.Job, "Group": app.Group},
		Message: ch.Reason,
		Meta:    ch.Meta,
	}
}

// refusal recognises the refusals of Nomad that call for another try.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "scaling blocked due to active deployment"):
		return ErrLocked
	case strings.Contains(err.Error(), api.RegisterEnforceIndexErrPrefix):
		return ErrConflict
	default:
		return err
	}
}
