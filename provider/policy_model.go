package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// policyModelV0 is version 0 of the state of nomadscale_policy.
type policyModelV0 struct {
	ID        types.String   `tfsdk:"id"`
	Namespace types.String   `tfsdk:"namespace"`
	JobID     types.String   `tfsdk:"job_id"`
	Group     types.String   `tfsdk:"group"`
	Detach    types.Bool     `tfsdk:"detach"`
	Drift     types.Map      `tfsdk:"drift"`
	Timeouts  timeouts.Value `tfsdk:"timeouts"`
	scalingModel
}

func policySchema(ctx context.Context) schema.Schema {
	notEmpty := []validator.String{stringvalidator.LengthAtLeast(1)}
	attributes := scalingSchema()
	for name, attribute := range map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, MarkdownDescription: "`<namespace>/<job>/<group>`."},
		"namespace": schema.StringAttribute{
			Optional: true, Computed: true, Validators: notEmpty,
			MarkdownDescription: "The namespace of the job. Default: the provider's. Another one moves the policy there: it is taken out " +
				"here first.",
		},
		"job_id": schema.StringAttribute{
			Required: true, Validators: notEmpty,
			MarkdownDescription: "The ID of the job, a service job that something else owns. Refer to the resource that owns it where the " +
				"same configuration does. " +
				"Another ID moves the policy to that job.",
		},
		"group": schema.StringAttribute{
			Required: true, Validators: notEmpty,
			MarkdownDescription: "The group of the job that scales. Another group moves the policy to it. A group has one policy; those " +
				"of the other groups of the job are resources of their own.",
		},
		"detach": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Do not wait for a rollout of the job to end before the policy is written, nor for the deployment that " +
				"the change of the policy makes. While it runs, which is ten seconds with the default `update` block, Nomad refuses " +
				"to scale the job. Default: `false`.",
		},
		"drift": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What has changed in the group's `scaling` block outside of Terraform and of the policy, by path, as " +
				"`group.web.scaling.policy.cooldown = \"5m (declared 1ms)\"`. " +
				"It is always planned to be empty: a plan shows the changes, and applying it undoes them. The rest of the job is its owner's " +
				"and never drift; counts are not either.",
		},
		"timeouts": timeoutsAttribute(ctx, "the deployment that a new policy makes", "the deployment that a changed policy makes", "Nomad to take the policy out"),
	} {
		attributes[name] = attribute
	}
	return schema.Schema{
		MarkdownDescription: "A policy by which a group of a job scales that something else owns: a person, a pipeline or another " +
			"Terraform resource.",
		Attributes: attributes,
	}
}

// target is the group that the model names.
func (m policyModelV0) target() scaler.AppID {
	return scaler.AppID{Namespace: m.Namespace.ValueString(), Job: m.JobID.ValueString(), Group: m.Group.ValueString()}
}

// setTarget fills in what names the group.
func (m *policyModelV0) setTarget(t scaler.AppID) {
	m.ID = types.StringValue(t.String())
	m.Namespace, m.JobID, m.Group = types.StringValue(t.Namespace), types.StringValue(t.Job), types.StringValue(t.Group)
}

// sameBlock reports whether two models declare the same block, so that there is
// nothing to tell Nomad.
func (m policyModelV0) sameBlock(other policyModelV0) bool {
	return m.Drift.Equal(other.Drift) && m.equal(other.scalingModel)
}
