package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// planTimeout bounds what a plan asks of Nomad.
const planTimeout = 30 * time.Second

func (r *appResource) ConfigValidators(context.Context) []resource.ConfigValidator {
	return []resource.ConfigValidator{scalingValidator{}}
}

// ModifyPlan plans every default, that the job is as declared, and a
// replacement when the jobspec names another job. Nothing in it depends on what
// moves by itself in Nomad, so that a saved plan stays valid.
func (r *appResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	config, plan, before, exists, diags := readPlan[appModelV0](ctx, req)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	t, job, diags := r.planTarget(ctx, config, before)
	resp.Diagnostics.Append(diags...)
	policy, diags := config.plan(before.scalingModel, t)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	plan.setTarget(t)
	plan.scalingModel = policy
	plan.Drift = driftValue(nil)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	if exists && t != nil && !sameJob(*t, before.target()) {
		resp.RequiresReplace.Append(path.Root("namespace"), path.Root("job_id"))
		// Terraform's own error for a jobspec that names another job only while it is
		// applied is hard to understand. This one is shown in addition.
		resp.Diagnostics.AddAttributeWarning(path.Root("jobspec"), "The jobspec names another job",
			fmt.Sprintf("It names %s instead of %s, so the job is replaced. If the plan did not say so, the name was not known when it "+
				"was made: plan again.", t, before.target()))
	}
	if t != nil && (!exists || !plan.sameJob(before)) {
		resp.Diagnostics.Append(r.advise(ctx, plan, *t, job)...)
	}
}

// advise warns of what in a planned app is hardly meant. A jobspec that has not
// been parsed for the plan is parsed for this: one that was imported or moved can
// be wrong.
func (r *appResource) advise(ctx context.Context, plan appModelV0, t scaler.AppID, job *api.Job) diag.Diagnostics {
	set, unknown := plan.settings()
	if len(unknown) > 0 {
		return nil
	}
	block, err := set.block(t)
	if err != nil {
		return invalidPolicy(err)
	}
	if job == nil && r.connection != nil && r.connection.client != nil {
		if job, err = r.parse(ctx, plan); err != nil {
			return unusable(err)
		}
	}
	return r.connection.advise(ctx, job, block, path.Root("jobspec"))
}

// planTarget finds out which group the configuration is for, or nil when that
// is not known yet. Nomad is asked only about a jobspec that is new, which is
// returned too.
func (r *appResource) planTarget(ctx context.Context, config, before appModelV0) (*scaler.AppID, *api.Job, diag.Diagnostics) {
	var diags diag.Diagnostics
	switch {
	case config.Jobspec.IsUnknown() || config.Group.IsUnknown():
		return nil, nil, nil
	case config.Jobspec.Equal(before.Jobspec) && config.Group.Equal(before.Group):
		t := before.target()
		return &t, nil, nil
	case r.connection == nil || r.connection.client == nil:
		return nil, nil, nil
	}
	job, err := r.parse(ctx, config)
	if err == nil {
		t := targetOf(job, config)
		return &t, job, nil
	}
	if diags = unusable(err); len(diags) == 0 {
		diags.AddAttributeWarning(path.Root("jobspec"), "The jobspec could not be checked",
			sentence(err)+" Planning goes on without; applying will need Nomad.\n\n"+r.connection.reach())
	}
	return nil, nil, diags
}

// unusable explains an error of parse that the configuration is to blame for; of
// another error it says nothing.
func unusable(err error) diag.Diagnostics {
	attribute := blame(err)
	if attribute == "" {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attribute), "Invalid "+attribute, sentence(err))}
}

// parse reads the jobspec and checks that the group can scale.
func (r *appResource) parse(ctx context.Context, m appModelV0) (*api.Job, error) {
	job, err := r.connection.parseJob(ctx, m.Jobspec.ValueString())
	if err != nil {
		return nil, err
	}
	if job.Region != nil && *job.Region != "" && *job.Region != api.GlobalRegion && *job.Region != r.connection.region {
		return nil, fmt.Errorf("%w: job %s names the region %q; set region = %q in the provider's configuration, so that the job is "+
			"read where it is written", jobspec.ErrSpecification, *job.ID, *job.Region, *job.Region)
	}
	return job, jobspec.CheckScalable(job, m.Group.ValueString())
}

func targetOf(job *api.Job, m appModelV0) scaler.AppID {
	return scaler.AppID{Namespace: *job.Namespace, Job: *job.ID, Group: m.Group.ValueString()}
}

// sameJob reports whether two targets are groups of one job.
func sameJob(a, b scaler.AppID) bool { return a.Namespace == b.Namespace && a.Job == b.Job }

// blame names the attribute that an error of parse is about, or "".
func blame(err error) string {
	switch {
	case errors.Is(err, jobspec.ErrNoGroup):
		return "group"
	case errors.Is(err, jobspec.ErrSpecification):
		return "jobspec"
	default:
		return ""
	}
}
