package provider

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// ValidateConfig checks what does not depend on the app. Values that are not
// known yet are left out.
func (r *overrideResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config overrideModelV0
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	switch {
	case config.ExpiresAt.IsNull() && config.Duration.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("expires_at"), "An override has an end", "Either expires_at or duration must be given.")
	case !config.ExpiresAt.IsNull() && !config.Duration.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("expires_at"), "An override has one end", "Only one of expires_at and duration can "+
			"be given.")
	case !config.Duration.IsNull() && !config.Duration.IsUnknown():
		if _, err := lasts(config.Duration); err != nil {
			resp.Diagnostics.Append(invalidOverride(err)...)
		}
	}
	_, err := config.override(time.Unix(0, 0))
	for _, e := range scaler.ValueErrors(err) {
		if e.Key != "override" || config.allKnown() {
			resp.Diagnostics.Append(invalidOverride(e)...)
		}
	}
}

// allKnown reports whether everything is that the override changes.
func (m overrideModelV0) allKnown() bool {
	for _, value := range []attr.Value{m.MinInstances, m.MaxInstances, m.BufferInstances, m.Target, m.Hold} {
		if value.IsUnknown() {
			return false
		}
	}
	return true
}

// ModifyPlan plans the end of the override: the one that was declared as long as
// the declaration is the same, so that what was changed by hand is put back as it
// was, and otherwise one that counts from the apply.
func (r *overrideResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var config, plan, before overrideModelV0
	var declared declaredOverride
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	exists := !req.State.Raw.IsNull()
	if exists {
		resp.Diagnostics.Append(req.State.Get(ctx, &before)...)
		resp.Diagnostics.Append(readPrivate(ctx, req.Private, overrideKey, &declared)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	plan.Namespace = r.connection.planNamespace(config.Namespace, before.Namespace)
	plan.ID = types.StringValue(plan.target().String())
	known := !plan.Namespace.IsUnknown() && !plan.JobID.IsUnknown() && !plan.Group.IsUnknown()
	if !known {
		plan.ID = types.StringUnknown()
	}
	plan.planEnd(config, before, declared)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	if exists && !plan.Namespace.Equal(before.Namespace) {
		resp.RequiresReplace.Append(path.Root("namespace"))
	}
	if known && !resp.Plan.Raw.Equal(req.State.Raw) {
		resp.Diagnostics.Append(r.check(ctx, plan)...)
	}
}

// planEnd fills in when the planned override ends. Times that are the same stay
// as they were written.
func (m *overrideModelV0) planEnd(config, before overrideModelV0, declared declaredOverride) {
	if sameDuration(config.Duration, before.Duration) {
		m.Duration = before.Duration
	}
	m.ExpiresAt = config.ExpiresAt
	if config.ExpiresAt.IsNull() {
		m.ExpiresAt = types.StringUnknown()
		if o, err := m.override(time.Unix(0, 0)); err == nil && m.allKnown() && declared.says(o, m.Duration) {
			m.ExpiresAt = momentValue(declared.Override.ExpiresAt)
		}
	}
	planned, ok := momentOf(m.ExpiresAt)
	if was, known := momentOf(before.ExpiresAt); ok && known && was.Equal(planned) {
		m.ExpiresAt = before.ExpiresAt
	}
}

// check reports what keeps a planned override from being set, as far as all of it
// is known. An app that is not there may come in the same run, and what Nomad
// cannot be asked is left for the apply.
func (r *overrideResource) check(ctx context.Context, plan overrideModelV0) diag.Diagnostics {
	if r.connection == nil || r.connection.client == nil || !plan.allKnown() {
		return nil
	}
	now := r.connection.now()
	ends := now.Add(time.Second)
	if plan.ExpiresAt.IsUnknown() {
		d, err := lasts(plan.Duration)
		if err != nil {
			return nil // not known yet, or refused by ValidateConfig
		}
		ends = now.Add(d)
	}
	o, err := plan.override(ends)
	if err != nil {
		return invalidOverride(err)
	}
	if !o.Live(now) {
		return invalidOverride(&scaler.ValueError{Key: "expires_at", Value: plan.ExpiresAt.ValueString(), Allowed: "in the future"})
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	t := plan.target()
	block, err := r.connection.client.Block(ctx, t)
	switch {
	case err == nil:
		return invalidOverride(o.Check(block.Policy, block.Bounds(), now))
	case errors.Is(err, nomad.ErrNotFound), errors.Is(err, jobspec.ErrNoGroup):
		return nil
	default:
		return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("job_id"), "The app could not be checked",
			sentence(err)+" Planning goes on without; applying will need Nomad.\n\n"+r.connection.reach())}
	}
}
