package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Read shows the override as Nomad has it. When what was declared has expired, it
// has done what it was for: the state stays as it was declared, whatever has
// become of the variable since, and Nomad is not asked.
func (r *overrideResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state overrideModelV0
	var declared declaredOverride
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, overrideKey, &declared)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.target())...)
	if declared.ended(r.connection.now()) {
		state.show(declared.Override)
		resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, overrideTimeout)
	defer cancel()
	o, err := client.Override(ctx, state.target())
	if errors.Is(err, nomad.ErrNotFound) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.AddError("The override could not be read", sentence(err)+"\n\n"+r.connection.reach())
		return
	}
	if declared.Override == nil {
		declared.Override, declared.Index = o.Override, o.ModifyIndex
	}
	declared.Seen = o.ModifyIndex
	state.show(o.Override)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
	resp.Diagnostics.Append(keepPrivate(ctx, resp.Private, overrideKey, declared)...)
}
