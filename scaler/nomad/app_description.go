package nomad

import (
	"context"
	"errors"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Description is all that explains the count of an app.
type Description struct {
	App scaler.AppID
	// Block is the live scaling block, unless BlockErr is set: [ErrNotFound] without a
	// nomadscale policy, or the errors of [scaler.Parse].
	Block    jobspec.Block
	BlockErr error
	// Status is the count and its history.
	Status Status
	// Override is the app's override, nil without one. OverrideErr is why it could
	// not be read.
	Override    *AppOverride
	OverrideErr error
	// Deployment is why a deployment prevents a change of the count, or nil.
	Deployment error
	// Failures are the reasons why instances do not start, in Nomad's words.
	Failures []string
}

// Describe reads all that explains the count of an app. It returns [ErrNotFound] if
// there is no such job, and [jobspec.ErrNoGroup] if the job has no such group.
func (c *Client) Describe(ctx context.Context, app scaler.AppID) (Description, error) {
	d := Description{App: app}
	job, err := c.ReadJob(ctx, app.Namespace, app.Job)
	if err != nil {
		return d, err
	}
	if d.Block, d.BlockErr = jobspec.BlockOf(job, app); errors.Is(d.BlockErr, jobspec.ErrNoGroup) {
		return d, d.BlockErr
	}
	if d.Status, err = c.Status(ctx, app); err != nil {
		return d, err
	}
	switch override, err := c.Override(ctx, app); {
	case err == nil:
		d.Override = &override
	case !errors.Is(err, ErrNotFound):
		d.OverrideErr = err
	}
	if d.Failures, err = c.StartFailures(ctx, app); err != nil {
		return d, err
	}
	d.Deployment, err = c.blockingDeployment(ctx, job, d.Block)
	return d, err
}
