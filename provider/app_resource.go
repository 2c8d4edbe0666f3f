package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// NewAppResource returns nomadscale_app, which owns a job.
func NewAppResource() resource.Resource { return &appResource{} }

type appResource struct{ resourceBase }

var (
	_ resource.ResourceWithConfigure        = (*appResource)(nil)
	_ resource.ResourceWithConfigValidators = (*appResource)(nil)
	_ resource.ResourceWithModifyPlan       = (*appResource)(nil)
	_ resource.ResourceWithImportState      = (*appResource)(nil)
	_ resource.ResourceWithIdentity         = (*appResource)(nil)
	_ resource.ResourceWithMoveState        = (*appResource)(nil)
)

func (r *appResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_app"
	// Another group takes the policy over in place.
	resp.ResourceBehavior.MutableIdentity = true
}

func (r *appResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = appSchema(ctx)
}

// Create registers the job. The state is saved before waiting, so that a job
// that does not become healthy is not lost.
func (r *appResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan appModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := plan.Timeouts.Create(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	declaration, diags := r.declare(ctx, plan)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	written, err := client.CreateJob(ctx, declaration)
	if written.Job != nil {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan.applied(declaration.Block))...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, declaration.Block.Policy.App)...)
	}
	if err == nil || isOverwritten(written, err) {
		resp.Diagnostics.Append(keepPrivate(ctx, resp.Private, baselineKey, jobspec.Flatten(written.Job))...)
	}
	if err != nil {
		resp.Diagnostics.Append(r.writeFailed(err, declaration, written))
		return
	}
	logWrite(ctx, "registered a new job", declaration)
	resp.Diagnostics.Append(r.await(ctx, plan, written)...)
}

// Update registers the job again, unless what has changed does not concern it.
// Counts stay as they are, within the new bounds.
func (r *appResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state appModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Identities may be new since the app was created.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.target())...)
	if plan.sameJob(state) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		return
	}
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := plan.Timeouts.Update(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var baseline map[string]string
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, baselineKey, &baseline)...)
	declaration, diags := r.redeclare(ctx, plan, state, baseline)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	written, err := client.UpdateJob(ctx, declaration)
	if err == nil || isOverwritten(written, err) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan.applied(declaration.Block))...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, declaration.Block.Policy.App)...)
		resp.Diagnostics.Append(keepPrivate(ctx, resp.Private, baselineKey, jobspec.Flatten(written.Job))...)
	}
	if err != nil {
		resp.Diagnostics.Append(r.writeFailed(err, declaration, written))
		return
	}
	logWrite(ctx, "registered a changed job", declaration)
	resp.Diagnostics.Append(r.await(ctx, plan, written)...)
}

// Delete stops the job, waits until none of its instances runs, and purges it: of a
// purged job Nomad forgets the instances at once, although they run on for their
// shutdown delay.
func (r *appResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state appModelV0
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := state.Timeouts.Delete(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t, purge, detach := state.target(), state.PurgeOnDestroy.ValueBool(), state.Detach.ValueBool()
	err := client.RemoveJob(waiting, t.Namespace, t.Job, purge && detach)
	if err == nil && !detach {
		// The job is gone, whatever its last instances do.
		if err := client.AwaitStopped(waiting, t.Namespace, t.Job); err != nil {
			resp.Diagnostics.AddWarning("Instances of a removed job may still run", sentence(err)+fmt.Sprintf(
				"\n\nTo look further:\n  nomad job allocs -namespace=%s %s", t.Namespace, t.Job))
		}
		if purge {
			err = client.PurgeStoppedJob(context.WithoutCancel(ctx), t.Namespace, t.Job)
		}
	}
	if err != nil {
		resp.Diagnostics.AddError("The job could not be removed", sentence(err)+"\n\n"+r.connection.reach())
	}
}

// declare puts together what is to be registered.
func (r *appResource) declare(ctx context.Context, plan appModelV0) (nomad.Declaration, diag.Diagnostics) {
	var diags diag.Diagnostics
	job, err := r.parse(ctx, plan)
	if err != nil {
		if diags = unusable(err); len(diags) == 0 {
			diags.AddError("The jobspec could not be parsed", sentence(err)+"\n\n"+r.connection.reach())
		}
		return nomad.Declaration{}, diags
	}
	set, _ := plan.settings()
	block, err := set.block(targetOf(job, plan))
	if err != nil {
		return nomad.Declaration{}, invalidPolicy(err)
	}
	return nomad.Declaration{Specification: plan.Jobspec.ValueString(), Job: job, Block: block}, nil
}

// redeclare is declare for a job that is there. The job must be the same and as
// the plan has shown it, and the counts that the jobspec newly asks of other
// groups are to be set.
func (r *appResource) redeclare(ctx context.Context, plan, state appModelV0, baseline map[string]string) (nomad.Declaration, diag.Diagnostics) {
	declaration, diags := r.declare(ctx, plan)
	if diags.HasError() {
		return declaration, diags
	}
	now, before := targetOf(declaration.Job, plan), state.target()
	if !sameJob(now, before) {
		diags.AddAttributeError(path.Root("jobspec"), "The jobspec names another job",
			fmt.Sprintf("It was not known yet when this was planned that the jobspec would name %s instead of %s. Plan again: the job "+
				"will be replaced.", now, before))
		return declaration, diags
	}
	declaration.Check = state.unchanged(baseline)
	if !plan.Jobspec.Equal(state.Jobspec) {
		if previous, err := r.connection.parseJob(ctx, state.Jobspec.ValueString()); err == nil {
			declaration.Counts = jobspec.ChangedCounts(previous, declaration.Job, now.Group)
		}
	}
	return declaration, diags
}

// applied is the state after the plan has been carried out.
func (m appModelV0) applied(block jobspec.Block) appModelV0 {
	m.setTarget(new(block.Policy.App))
	m.scalingModel = newScalingModel(settingsOf(block), nil, m.scalingModel)
	m.Drift = driftValue(nil)
	return m
}

// await waits for the deployment, unless detached, and tells what Nomad remarks
// and why the deployment does not succeed.
func (r *appResource) await(ctx context.Context, m appModelV0, written nomad.Written) diag.Diagnostics {
	var diags diag.Diagnostics
	if written.Warnings != "" {
		diags.AddAttributeWarning(path.Root("jobspec"), "Nomad remarks on the jobspec", written.Warnings)
	}
	if m.Detach.ValueBool() {
		return diags
	}
	err := r.connection.client.AwaitHealthy(ctx, written)
	app := targetOf(written.Job, m).String()
	var rollout *nomad.RolloutError
	switch {
	case err == nil:
	case errors.As(err, &rollout) && rollout.AwaitsPromotion():
		diags.AddWarning("App "+app+" awaits promotion", err.Error())
	case errors.Is(err, context.Canceled):
		// No error, which would make Terraform replace a new job that may well
		// be on its way. Terraform itself says that it was interrupted.
		diags.AddWarning("Waiting for app "+app+" was interrupted", "Nomad has the job as it is declared. Whether it is healthy was "+
			"not seen.\n\n"+err.Error())
	case errors.As(err, &rollout) && rollout.Unreachable():
		diags.AddError("App "+app+" could not be watched any longer", err.Error()+"\n\nNomad has the job as it is declared. Whether it "+
			"is healthy was not seen. If the app is new, Terraform plans to replace it; `terraform untaint` on it keeps it as it "+
			"runs.\n\n"+r.connection.reach())
	default:
		diags.AddError("App "+app+" is not healthy", err.Error()+"\n\nNomad has the job as it is declared. Correct what is wrong and "+
			"apply again.")
	}
	return diags
}

// writeFailed explains why a job could not be written, or was overwritten.
func (r *appResource) writeFailed(err error, d nomad.Declaration, written nomad.Written) diag.Diagnostic {
	failed, after := "The job could not be registered", ""
	if written.Job != nil {
		failed, after = "The job may not be registered", "Nomad may have it all the same. Plan again to see."
	}
	return r.connection.explain(err, failed, after,
		overwritten(written),
		explanation{
			of:      is(nomad.ErrExists),
			summary: "The job exists already",
			cause:   fmt.Sprintf("Job %s runs in namespace %s and is not in the state of this resource.", *d.Job.ID, *d.Job.Namespace),
			advice:  fmt.Sprintf("To manage it here, import it:\n\n  terraform import nomadscale_app.<name> %s", d.Block.Policy.App),
		},
		explanation{
			of:      is(nomad.ErrNotFound),
			summary: "The job is gone",
			advice:  "It was removed since this was planned. Plan again: the job will be created.",
		},
	)
}

func logWrite(ctx context.Context, message string, d nomad.Declaration) {
	p := d.Block.Policy
	tflog.Info(ctx, message, map[string]any{"namespace": p.App.Namespace, "job": p.App.Job, "group": p.App.Group})
}
