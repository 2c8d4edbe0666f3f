package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// identityModel is what identifies a resource that is for a group of a job.
type identityModel struct {
	Namespace types.String `tfsdk:"namespace"`
	JobID     types.String `tfsdk:"job_id"`
	Group     types.String `tfsdk:"group"`
}

// identitySchema is the same for every such resource.
func identitySchema() identityschema.Schema {
	return identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"namespace": identityschema.StringAttribute{RequiredForImport: true, Description: "The namespace of the job."},
		"job_id":    identityschema.StringAttribute{RequiredForImport: true, Description: "The ID of the job."},
		"group":     identityschema.StringAttribute{RequiredForImport: true, Description: "The group of the job that scales."},
	}}
}

// setIdentity says which group a resource is for. A CLI that does not know of
// identities may give nothing to say it to.
func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, t scaler.AppID) diag.Diagnostics {
	if identity == nil {
		return nil
	}
	return identity.Set(ctx, identityModel{types.StringValue(t.Namespace), types.StringValue(t.Job), types.StringValue(t.Group)})
}

// importTarget takes what names the group from the ID <namespace>/<job>/<group>
// or from an identity, and sets it in the state and the identity.
func importTarget(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	t, diags := importedTarget(ctx, req)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	for name, value := range map[string]string{"id": t.String(), "namespace": t.Namespace, "job_id": t.Job, "group": t.Group} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t)...)
}

func importedTarget(ctx context.Context, req resource.ImportStateRequest) (scaler.AppID, diag.Diagnostics) {
	var diags diag.Diagnostics
	if req.ID == "" && req.Identity != nil {
		var identity identityModel
		diags.Append(req.Identity.Get(ctx, &identity)...)
		t := scaler.AppID{Namespace: identity.Namespace.ValueString(), Job: identity.JobID.ValueString(), Group: identity.Group.ValueString()}
		for name, value := range map[string]string{"namespace": t.Namespace, "job_id": t.Job, "group": t.Group} {
			if value == "" && !diags.HasError() {
				diags.AddAttributeError(path.Root(name), "Invalid import identity", name+" is empty. Name the namespace, the job_id and the "+
					"group, such as default, web and web.")
			}
		}
		return t, diags
	}
	t, err := scaler.ParseAppID(req.ID)
	if err != nil {
		diags.AddError("Invalid import ID",
			fmt.Sprintf("%q is not <namespace>/<job>/<group>, such as default/web/web. The namespace ends at the first slash and the "+
				"group begins after the last.", req.ID))
	}
	return t, diags
}
