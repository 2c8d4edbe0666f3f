package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Read shows the policy as Nomad has it, and what else has changed in the job. A job
// that is gone leaves the state, so that it is planned again; one that was stopped
// stays, and shows it as drift.
func (r *appResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	never := func(appModelV0, *api.Job) bool { return false }
	readJob(ctx, r.connection, req, resp, never, func(state *appModelV0, job *api.Job) diag.Diagnostics {
		return r.adopt(ctx, state, job)
	})
}

func (m appModelV0) imported() bool { return m.Jobspec.IsNull() }

func (m appModelV0) flatten(job *api.Job) map[string]string { return jobspec.Flatten(job) }

// seen is the state as it shows a live job that was declared as the baseline.
func (m appModelV0) seen(job *api.Job, baseline map[string]string) appModelV0 {
	t := m.target()
	m.scalingModel = liveScaling(job, t, m.scalingModel)
	m.Drift = driftValue(jobspec.Drift(baseline, job, t.Group))
	return m
}

// unchanged returns a check that a live job still is as the state shows it, so
// that nothing is undone that no plan has shown. Without a baseline there has
// been no apply that could tell.
func (m appModelV0) unchanged(baseline map[string]string) func(*api.Job) error {
	return func(job *api.Job) error {
		if baseline == nil {
			baseline = m.flatten(job)
		}
		if changed := m.changes(m.seen(job, baseline)); len(changed) > 0 {
			return &nomad.ChangedError{Paths: changed}
		}
		return nil
	}
}

// liveScaling is the policy in the job, written as before where it means the
// same.
func liveScaling(job *api.Job, t scaler.AppID, before scalingModel) scalingModel {
	live, err := jobspec.ReadSettings(job, t.Group)
	if err != nil {
		return noScaling()
	}
	set := liveSettings(live, t)
	if job.Stop != nil && *job.Stop {
		// Nomad disables the policies of a job that is stopped; starting it
		// enables them again.
		if enabled, given := textsOf(before)["enabled"]; given {
			set["enabled"] = enabled
		}
	}
	return newScalingModel(set, nil, before)
}

func textsOf(m scalingModel) settings {
	set, _ := m.settings()
	return set
}

// adopt completes the state of a job that is being imported.
func (r *appResource) adopt(ctx context.Context, state *appModelV0, job *api.Job) diag.Diagnostics {
	var diags diag.Diagnostics
	group := state.Group.ValueString()
	if job.LookupTaskGroup(group) == nil {
		diags.AddError("No such group", fmt.Sprintf("Job %s in namespace %s has no group %q.", *job.ID, *job.Namespace, group))
		return diags
	}
	source, err := r.connection.client.Source(ctx, job, group)
	if err != nil {
		diags.AddError("The jobspec could not be read", sentence(err)+"\n\n"+r.connection.reach())
		return diags
	}
	state.Jobspec = types.StringValue(source)
	state.Detach, state.PurgeOnDestroy = types.BoolValue(false), types.BoolValue(true)
	return diags
}
