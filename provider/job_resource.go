package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// jobModel is the model of a resource that shows a policy in a job: the app's, which
// owns the job, and the policy's, which is attached to it.
type jobModel[M any] interface {
	target() scaler.AppID
	// imported reports whether the state holds only what an import has set.
	imported() bool
	// flatten lists by path what of a live job the resource declares.
	flatten(job *api.Job) map[string]string
	// seen is the state as it shows a live job that was declared as the baseline.
	seen(job *api.Job, baseline map[string]string) M
}

// readJob shows the policy as Nomad has it, and what else has changed in what the
// resource declares. The resource leaves the state with its job, and when gone says
// so of the job that there is. Adopt completes a state that was imported.
func readJob[M jobModel[M]](
	ctx context.Context, c *connection, req resource.ReadRequest, resp *resource.ReadResponse,
	gone func(M, *api.Job) bool, adopt func(*M, *api.Job) diag.Diagnostics,
) {
	var state M
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	app := state.target()
	// One that is gone needs its identity too.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, app)...)
	client, diags := c.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	job, err := client.ReadJob(ctx, app.Namespace, app.Job)
	switch {
	case errors.Is(err, nomad.ErrNotFound), err == nil && !state.imported() && gone(state, job):
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.Append(c.explain(err, "The job could not be read", ""))
		return
	}
	if state.imported() {
		resp.Diagnostics.Append(adopt(&state, job)...)
	}
	var baseline map[string]string
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, baselineKey, &baseline)...)
	if baseline == nil {
		baseline = state.flatten(job)
		resp.Diagnostics.Append(keepPrivate(ctx, resp.Private, baselineKey, baseline)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state.seen(job, baseline))...)
}

// readPlan reads what a plan is made from. Exists reports whether the resource is in
// the state; before is its zero value otherwise.
func readPlan[M any](ctx context.Context, req resource.ModifyPlanRequest) (config, plan, before M, exists bool, diags diag.Diagnostics) {
	diags.Append(req.Config.Get(ctx, &config)...)
	diags.Append(req.Plan.Get(ctx, &plan)...)
	if exists = !req.State.Raw.IsNull(); exists {
		diags.Append(req.State.Get(ctx, &before)...)
	}
	return config, plan, before, exists, diags
}
