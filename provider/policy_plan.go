package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func (r *policyResource) ConfigValidators(context.Context) []resource.ConfigValidator {
	return []resource.ConfigValidator{scalingValidator{}}
}

// ModifyPlan plans every default, that the block is as declared, and a
// replacement for another group. Of Nomad it asks only whether the group of a
// policy that is new or changed can scale, so that a saved plan stays valid.
func (r *policyResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	config, plan, before, exists, diags := readPlan[policyModelV0](ctx, req)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	t := r.planTarget(&plan, config, before)
	policy, diags := config.plan(before.scalingModel, t)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	plan.scalingModel = policy
	plan.Drift = driftValue(nil)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	for name, same := range map[string]bool{
		"namespace": plan.Namespace.Equal(before.Namespace),
		"job_id":    plan.JobID.Equal(before.JobID),
		"group":     plan.Group.Equal(before.Group),
	} {
		if exists && !same {
			resp.RequiresReplace.Append(path.Root(name))
		}
	}
	if t != nil && (!exists || *t != before.target() || !plan.sameBlock(before)) {
		resp.Diagnostics.Append(r.checkTarget(ctx, *t, plan)...)
	}
}

// planTarget fills in which group the plan is for, and returns nil when that is
// not known yet.
func (r *policyResource) planTarget(plan *policyModelV0, config, before policyModelV0) *scaler.AppID {
	plan.Namespace = r.connection.planNamespace(config.Namespace, before.Namespace)
	for _, part := range []attr.Value{plan.Namespace, plan.JobID, plan.Group} {
		if part.IsUnknown() {
			plan.ID = types.StringUnknown()
			return nil
		}
	}
	t := plan.target()
	plan.setTarget(t)
	return &t
}

// checkTarget reports why the group cannot scale, and warns of what in the policy
// and the job is hardly meant. A job that is not there may come in the same run,
// and what Nomad cannot be asked is left for the apply.
func (r *policyResource) checkTarget(ctx context.Context, t scaler.AppID, plan policyModelV0) diag.Diagnostics {
	if r.connection == nil || r.connection.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	job, err := r.connection.client.ReadJob(ctx, t.Namespace, t.Job)
	if err == nil {
		err = jobspec.CheckGroup(job, t.Group)
	}
	switch {
	case err == nil || errors.Is(err, nomad.ErrNotFound):
		return r.advise(ctx, job, plan)
	case errors.Is(err, jobspec.ErrNoGroup) || errors.Is(err, jobspec.ErrSpecification):
		return diag.Diagnostics{explained(err)}
	default:
		return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("job_id"), "The job could not be checked",
			sentence(err)+" Planning goes on without; applying will need Nomad.\n\n"+r.connection.reach())}
	}
}

// advise warns of a planned policy, once all of it is known.
func (r *policyResource) advise(ctx context.Context, job *api.Job, plan policyModelV0) diag.Diagnostics {
	if _, unknown := plan.settings(); len(unknown) > 0 {
		return nil
	}
	block, diags := plan.block()
	if diags.HasError() {
		return diags
	}
	return r.connection.advise(ctx, job, block, path.Root("job_id"))
}
