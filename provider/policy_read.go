package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Read shows the policy as Nomad has it, and what else somebody changed in its
// block. A policy that the job's owner has taken out stays in the state, so that
// it is planned to go back; that of a job or a group that is gone leaves it.
func (r *policyResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state policyModelV0
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	t := state.target()
	// A policy that is gone needs it too.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	job, err := client.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil && !errors.Is(err, nomad.ErrNotFound) {
		resp.Diagnostics.AddError("The job could not be read", sentence(err)+"\n\n"+r.connection.reach())
		return
	}
	imported := state.Detach.IsNull()
	if err != nil || !imported && job.LookupTaskGroup(t.Group) == nil {
		resp.State.RemoveResource(ctx)
		return
	}
	if imported {
		resp.Diagnostics.Append(state.adopt(job)...)
	}
	var baseline map[string]string
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, baselineKey, &baseline)...)
	if baseline == nil {
		baseline = jobspec.FlattenBlock(job, t.Group)
		resp.Diagnostics.Append(keepPrivate(ctx, resp.Private, baselineKey, baseline)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state.seen(job, baseline))...)
}

// seen is the state as it shows a live job whose block was declared as the
// baseline.
func (m policyModelV0) seen(job *api.Job, baseline map[string]string) policyModelV0 {
	t := m.target()
	m.scalingModel = liveScaling(job, t, m.scalingModel)
	m.Drift = driftValue(jobspec.BlockDrift(baseline, job, t.Group))
	return m
}

// unchanged returns a check that a live policy still is as the state shows it, so
// that nothing is undone that no plan has shown. Without a baseline there has
// been no refresh that could tell.
func (m policyModelV0) unchanged(baseline map[string]string) func(*api.Job) error {
	return func(job *api.Job) error {
		if baseline == nil {
			baseline = jobspec.FlattenBlock(job, m.target().Group)
		}
		now := m.seen(job, baseline)
		if changed := append(m.changes(now.scalingModel), driftChanges(m.Drift, now.Drift)...); len(changed) > 0 {
			return &nomad.ChangedError{Paths: changed}
		}
		return nil
	}
}

// adopt completes the state of a policy that is being imported.
func (m *policyModelV0) adopt(job *api.Job) diag.Diagnostics {
	t := m.target()
	m.Detach = types.BoolValue(false)
	if err := jobspec.CheckGroup(job, t.Group); err != nil {
		return cannotScale(err)
	}
	if _, err := jobspec.ReadSettings(job, t.Group); err != nil {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("group"), "The group has no nomadscale policy",
			fmt.Sprintf("Group %s of job %s in namespace %s has no scaling block with the strategy %q, so there is nothing to import. Apply the resource without importing it: that puts the policy there.", t.Group, t.Job, t.Namespace, jobspec.Driver))}
	}
	return nil
}
