package provider

import (
	"encoding/json"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// overrideModelV0 is version 0 of the state of nomadscale_override.
type overrideModelV0 struct {
	ID              types.String  `tfsdk:"id"`
	Namespace       types.String  `tfsdk:"namespace"`
	JobID           types.String  `tfsdk:"job_id"`
	Group           types.String  `tfsdk:"group"`
	MinInstances    types.Int64   `tfsdk:"min_instances"`
	MaxInstances    types.Int64   `tfsdk:"max_instances"`
	BufferInstances types.Int64   `tfsdk:"buffer_instances"`
	Target          types.Float64 `tfsdk:"target"`
	Hold            types.Bool    `tfsdk:"hold"`
	ExpiresAt       types.String  `tfsdk:"expires_at"`
	Duration        types.String  `tfsdk:"duration"`
	Reason          types.String  `tfsdk:"reason"`
	By              types.String  `tfsdk:"by"`
}

func overrideSchema() schema.Schema {
	notEmpty := stringvalidator.LengthAtLeast(1)
	named := func(description string) schema.StringAttribute {
		return schema.StringAttribute{
			Required: true, Validators: []validator.String{notEmpty}, MarkdownDescription: description,
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
		}
	}
	return schema.Schema{
		MarkdownDescription: "Changes the bounds, the buffer or the target of an app for a while, or holds its count, without a new " +
			"version of the job.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "`<namespace>/<job>/<group>`."},
			"namespace": schema.StringAttribute{
				Optional: true, Computed: true, Validators: []validator.String{notEmpty},
				MarkdownDescription: "The namespace of the job. Default: the provider's.",
			},
			"job_id": named("The ID of the app's job."),
			"group":  named("The app's group in the job."),
			"min_instances": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Stands in for the policy's `min_instances`. Must be at least its `hard_min_instances`.",
			},
			"max_instances": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Stands in for the policy's `max_instances`. Must be at most its `hard_max_instances`.",
			},
			"buffer_instances": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Stands in for the policy's `buffer_instances`.",
			},
			"target": schema.Float64Attribute{
				Optional: true,
				MarkdownDescription: "Stands in for the load that one instance carries, in the metric of the policy: its " +
					"`target_requests_per_instance`, `target_concurrency_per_instance` or `target_per_instance`.",
			},
			"hold": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Keep the count as it is. Stands alone, without `min_instances`, `max_instances`, `buffer_instances` " +
					"and `target`.",
			},
			"expires_at": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "When the override ends, as `2026-01-02T15:04:05Z`: at most " + scaler.FormatDuration(scaler.MaxOverrideTime) +
					" ahead. Either this or `duration` is given; with `duration`, this is the end that it comes to.",
			},
			"duration": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "How long the override lasts from the apply that sets or changes it, as `\"90s\"` or `\"2h\"`; at most " +
					scaler.FormatDuration(scaler.MaxOverrideTime) + ". Either this or `expires_at` is given.",
			},
			"reason": schema.StringAttribute{
				Optional: true, Validators: []validator.String{notEmpty},
				MarkdownDescription: "What it is for, in one line of at most 200 characters.",
			},
			"by": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString("terraform"), Validators: []validator.String{notEmpty},
				MarkdownDescription: "Who sets it, in one line of at most 200 characters. Default: `terraform`.",
			},
		},
	}
}

// target is the app that the model names.
func (m overrideModelV0) target() scaler.AppID {
	return scaler.AppID{Namespace: m.Namespace.ValueString(), Job: m.JobID.ValueString(), Group: m.Group.ValueString()}
}

// override is what the model says, as far as it is known. Without an end it
// expires at that time. The error joins a [*scaler.ValueError] for everything that
// is wrong whatever the app is.
func (m overrideModelV0) override(expires time.Time) (*scaler.Override, error) {
	o := map[string]any{"expires_at": expires.Format(time.RFC3339Nano)}
	for name, n := range map[string]types.Int64{"min_instances": m.MinInstances, "max_instances": m.MaxInstances, "buffer_instances": m.BufferInstances} {
		if !n.IsNull() && !n.IsUnknown() {
			o[name] = n.ValueInt64()
		}
	}
	for name, text := range map[string]types.String{"expires_at": m.ExpiresAt, "reason": m.Reason, "by": m.By} {
		if !text.IsNull() && !text.IsUnknown() {
			o[name] = text.ValueString()
		}
	}
	if !m.Target.IsNull() && !m.Target.IsUnknown() {
		o["target"] = m.Target.ValueFloat64()
	}
	if m.Hold.ValueBool() {
		o["hold"] = true
	}
	document, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return scaler.ParseOverride(document)
}

// show takes over an override. Its times stay as they are written where they are
// the same.
func (m *overrideModelV0) show(o *scaler.Override) {
	if o == nil {
		o = new(scaler.Override)
	}
	m.MinInstances, m.MaxInstances, m.BufferInstances = integer(o.MinInstances), integer(o.MaxInstances), integer(o.BufferInstances)
	m.Target = types.Float64PointerValue(o.Target)
	if o.Hold || m.Hold.ValueBool() {
		m.Hold = types.BoolNull()
	}
	if o.Hold {
		m.Hold = types.BoolValue(true)
	}
	if at, ok := momentOf(m.ExpiresAt); !ok || !at.Equal(o.ExpiresAt) {
		m.ExpiresAt = momentValue(o.ExpiresAt)
	}
	m.Reason, m.By = textOrNull(o.Reason), textOrNull(o.By)
}

// integer is a count that may be missing.
func integer(n *int) types.Int64 {
	if n == nil {
		return types.Int64Null()
	}
	return types.Int64Value(int64(*n))
}

// textOrNull is null for no text.
func textOrNull(text string) types.String {
	if text == "" {
		return types.StringNull()
	}
	return types.StringValue(text)
}

// momentOf reads a time; false when it is not known or is none.
func momentOf(text types.String) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, text.ValueString())
	return at, err == nil
}

// momentValue writes a time; null for none.
func momentValue(at time.Time) types.String {
	if at.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(at.UTC().Format(time.RFC3339Nano))
}

// lasts reads how long an override is to last.
func lasts(text types.String) (time.Duration, error) {
	d, ok := scaler.ParseDuration(text.ValueString())
	if !ok || d <= 0 || d > scaler.MaxOverrideTime {
		return 0, &scaler.ValueError{
			Key: "duration", Value: text.ValueString(),
			Allowed: "a duration above 0 and at most " + scaler.FormatDuration(scaler.MaxOverrideTime) + ", such as 90s or 2h",
		}
	}
	return d, nil
}
