package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// NewPolicyResource returns nomadscale_policy, which attaches a policy to a group
// of a job that something else owns.
func NewPolicyResource() resource.Resource { return &policyResource{} }

type policyResource struct{ resourceBase }

var (
	_ resource.ResourceWithConfigure        = (*policyResource)(nil)
	_ resource.ResourceWithConfigValidators = (*policyResource)(nil)
	_ resource.ResourceWithModifyPlan       = (*policyResource)(nil)
	_ resource.ResourceWithImportState      = (*policyResource)(nil)
	_ resource.ResourceWithIdentity         = (*policyResource)(nil)
)

func (r *policyResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_policy"
}

func (r *policyResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = policySchema(ctx)
}

// Create puts the policy into the job. It keeps the block that was there before, to
// restore it on destroy.
func (r *policyResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan policyModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := plan.Timeouts.Create(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	block, diags := plan.block()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.settle(ctx, plan)
	written, former, err := client.Attach(ctx, block)
	if written.Job != nil && !errors.As(err, new(*nomad.AttachedError)) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan.applied(block))...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, plan.target())...)
		resp.Diagnostics.Append(keepAttached(ctx, resp.Private, written, plan, former)...)
	}
	if err != nil {
		resp.Diagnostics.Append(r.writeFailed(err, written, explanation{
			of: is(nomad.ErrNotFound), at: "job_id",
			summary: "There is no such job",
			cause:   fmt.Sprintf("Job %s does not exist in namespace %s, so there is no group to give a policy to.", plan.target().Job, plan.target().Namespace),
			advice: fmt.Sprintf("Run the job first. If the same configuration creates it, refer to it, as in job_id = nomad_job.%s.id, so "+
				"that it comes first.",
				plan.target().Job),
		}))
		return
	}
	logPolicy(ctx, "attached a policy", plan.target())
	resp.Diagnostics.Append(r.await(ctx, plan, written)...)
}

// Update puts the changed policy into the job, unless what has changed does not
// concern it.
func (r *policyResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state policyModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Identities may be new since the policy was attached.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.target())...)
	if plan.sameBlock(state) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		return
	}
	var former *api.ScalingPolicy
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, formerKey, &former)...)
	var baseline map[string]string
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, baselineKey, &baseline)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := plan.Timeouts.Update(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	block, diags := plan.block()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.settle(ctx, plan)
	written, former, err := client.Reattach(ctx, block, former, state.unchanged(baseline))
	if written.Job != nil {
		resp.Diagnostics.Append(keepAttached(ctx, resp.Private, written, plan, former)...)
	}
	if err == nil || isOverwritten(written, err) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan.applied(block))...)
	}
	if err != nil {
		resp.Diagnostics.Append(r.writeFailed(err, written, explanation{
			of:      is(nomad.ErrNotFound),
			summary: "The job is gone",
			advice:  "It was removed since this was planned. Plan again: once the job runs, the policy will be attached again.",
		}))
		return
	}
	logPolicy(ctx, "changed a policy", plan.target())
	resp.Diagnostics.Append(r.await(ctx, plan, written)...)
}

// Delete leaves the job as it was found.
func (r *policyResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state policyModelV0
	var former *api.ScalingPolicy
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, formerKey, &former)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := state.Timeouts.Delete(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.settle(ctx, state)
	if err := client.Detach(ctx, state.target(), former); err != nil {
		resp.Diagnostics.Append(r.writeFailed(err, nomad.Written{}))
		return
	}
	logPolicy(ctx, "detached a policy", state.target())
}

// block is the scaling block that the model declares.
func (m policyModelV0) block() (jobspec.Block, diag.Diagnostics) {
	set, _ := m.settings()
	block, err := set.block(m.target())
	return block, invalidPolicy(err)
}

// applied is the state after the plan has been carried out.
func (m policyModelV0) applied(block jobspec.Block) policyModelV0 {
	m.scalingModel = newScalingModel(settingsOf(block), nil, m.scalingModel)
	m.Drift = driftValue(nil)
	return m
}

// keepAttached keeps what later runs need to know of the block that was written
// and of the one that stood there.
func keepAttached(ctx context.Context, private privateWriter, written nomad.Written, m policyModelV0, former *api.ScalingPolicy) diag.Diagnostics {
	diags := keepPrivate(ctx, private, formerKey, former)
	diags.Append(keepPrivate(ctx, private, baselineKey, jobspec.FlattenBlock(written.Job, m.target().Group))...)
	return diags
}

// settle lets the owner's rollout end before the job is written, unless detached.
func (r *policyResource) settle(ctx context.Context, m policyModelV0) {
	if !m.Detach.ValueBool() {
		r.connection.client.AwaitRollout(ctx, m.target().Namespace, m.target().Job)
	}
}

// await waits for the deployment, unless detached. A deployment that fails is no
// error, because the policy is in place, and the job's owner corrects the rest.
func (r *policyResource) await(ctx context.Context, m policyModelV0, written nomad.Written) diag.Diagnostics {
	if m.Detach.ValueBool() {
		return nil
	}
	err := r.connection.client.AwaitDeployed(ctx, written)
	if err == nil {
		return nil
	}
	t := m.target()
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("Job %s/%s cannot be scaled yet", t.Namespace, t.Job),
		"The policy is in place, but Nomad scales no job that is being deployed, and the deployment is not over.\n\n"+err.Error())}
}

// writeFailed explains why the job could not be written.
func (r *policyResource) writeFailed(err error, written nomad.Written, own ...explanation) diag.Diagnostic {
	failed, after := "The policy could not be written", ""
	if written.Job != nil {
		failed, after = "The policy may not be written", "Nomad may have it all the same. Plan again to see."
	}
	var attached *nomad.AttachedError
	if errors.As(err, &attached) {
		return diag.NewAttributeErrorDiagnostic(path.Root("group"), "The group has a nomadscale policy already", alreadyAttached(attached))
	}
	return r.connection.explain(err, failed, after, append(own, overwritten(written))...)
}

// alreadyAttached says which policy it is, and what to do.
func alreadyAttached(e *nomad.AttachedError) string {
	whose := "It was written by hand, or came with the job's specification."
	if e.Canonical {
		whose = "It is written as nomadscale writes it, so another nomadscale_policy or a nomadscale_app declares it, here or in another state."
	}
	return fmt.Sprintf("Group %s of job %s in namespace %s scales between %s and %s instances by a policy that is not in the state "+
		"of this resource. %s A group has one policy, in one place: remove it there, or manage it here and import it:\n\n  "+
		"terraform import nomadscale_policy.<name> %s",
		e.App.Group, e.App.Job, e.App.Namespace, e.Settings.Document["min_instances"], e.Settings.Document["max_instances"], whose, e.App)
}

func logPolicy(ctx context.Context, message string, t scaler.AppID) {
	tflog.Info(ctx, message, map[string]any{"namespace": t.Namespace, "job": t.Job, "group": t.Group})
}
