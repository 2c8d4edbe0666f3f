package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// NewScalingEventsDataSource returns nomadscale_scaling_events, an app's audit
// trail.
func NewScalingEventsDataSource() datasource.DataSource { return &scalingEventsDataSource{} }

type scalingEventsDataSource struct{ dataSourceBase }

var (
	_ datasource.DataSourceWithConfigure      = (*scalingEventsDataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*scalingEventsDataSource)(nil)
)

// scalingEventsModel is nomadscale_scaling_events.
type scalingEventsModel struct {
	namedApp
	Since  types.String `tfsdk:"since"`
	Limit  types.Int64  `tfsdk:"limit"`
	Events []eventModel `tfsdk:"events"`
}

type eventModel struct {
	actionModel
	Direction       types.String  `tfsdk:"direction"`
	By              types.String  `tfsdk:"by"`
	Failed          types.Bool    `tfsdk:"failed"`
	Load            types.Float64 `tfsdk:"load"`
	Demand          types.Float64 `tfsdk:"demand"`
	Utilisation     types.Float64 `tfsdk:"utilisation"`
	Goal            types.Int64   `tfsdk:"goal"`
	MinInstances    types.Int64   `tfsdk:"min_instances"`
	MaxInstances    types.Int64   `tfsdk:"max_instances"`
	BufferInstances types.Int64   `tfsdk:"buffer_instances"`
	OverrideUntil   types.String  `tfsdk:"override_until"`
}

// namedApp is how a data source names an app.
type namedApp struct {
	ID        types.String `tfsdk:"id"`
	Namespace types.String `tfsdk:"namespace"`
	JobID     types.String `tfsdk:"job_id"`
	Group     types.String `tfsdk:"group"`
}

// withNamedApp adds the attributes of namedApp.
func withNamedApp(attributes map[string]schema.Attribute) map[string]schema.Attribute {
	notEmpty := []validator.String{stringvalidator.LengthAtLeast(1)}
	attributes["id"] = computedText("`<namespace>/<job>/<group>`.")
	attributes["namespace"] = schema.StringAttribute{Optional: true, Computed: true, Validators: notEmpty, MarkdownDescription: "The namespace of the job. Default: the provider's."}
	attributes["job_id"] = schema.StringAttribute{Required: true, Validators: notEmpty, MarkdownDescription: "The ID of the job."}
	attributes["group"] = schema.StringAttribute{Required: true, Validators: notEmpty, MarkdownDescription: "The group of the job that scales."}
	return attributes
}

// resolve fills in the namespace and names the app.
func (a *namedApp) resolve(c *connection) scaler.AppID {
	if a.Namespace.IsNull() {
		a.Namespace = types.StringValue(c.defaultNamespace())
	}
	t := scaler.AppID{Namespace: a.Namespace.ValueString(), Job: a.JobID.ValueString(), Group: a.Group.ValueString()}
	a.ID = types.StringValue(t.String())
	return t
}

func (d *scalingEventsDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_scaling_events"
}

func (d *scalingEventsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	event := actionAttributes()
	for name, attribute := range map[string]schema.Attribute{
		"direction": computedText("`up`, `down`, or `none` for an event that changes no count."),
		"by":        computedText("`nomadscale` when the event carries one of its decisions. Nomad does not keep who else it was: null."),
		"failed":    computedFlag("Whether the event is about something that went wrong."),
		"load": computedNumber("The load that was decided on, in the metric of the policy. Null when it was not known, or " +
			"when the event does not tell."),
		"demand":        computedNumber("The load in instances at 100 %. Null as `load` is."),
		"utilisation":   computedNumber("The demand on each instance that is not buffer. Null as `load` is."),
		"goal":          computedInteger("The count that the load called for, within the bounds. Null when the event does not tell."),
		"min_instances": computedInteger("The policy's `min_instances` at that time, with any override. Null when the event does not tell."),
		"max_instances": computedInteger("The policy's `max_instances` at that time, with any override. Null when the event does not tell."),
		"buffer_instances": computedInteger("The policy's `buffer_instances` at that time, with any override. Null when the event does " +
			"not tell."),
		"override_until": computedText("When the override that was in force was to end. Null when there was none."),
	} {
		event[name] = attribute
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The scaling events of an app, with their reasons: what changed its count, when and why. Nomad keeps the last 20.",
		Attributes: withNamedApp(map[string]schema.Attribute{
			"since": schema.StringAttribute{Optional: true, MarkdownDescription: "Only those from this time on, as `2026-01-02T15:04:05Z`."},
			"limit": schema.Int64Attribute{Optional: true, Validators: []validator.Int64{int64validator.AtLeast(1)}, MarkdownDescription: "Only that many, the newest."},
			"events": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "The events, the newest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: event},
			},
		}),
	}
}

// ValidateConfig checks the time.
func (d *scalingEventsDataSource) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var since types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("since"), &since)...)
	if _, ok := momentOf(since); !ok && !since.IsNull() && !since.IsUnknown() {
		resp.Diagnostics.AddAttributeError(path.Root("since"), "Invalid since",
			wrongValue(path.Root("since"), &scaler.ValueError{Value: since.ValueString(), Allowed: "a time such as 2026-01-02T15:04:05Z"}))
	}
}

func (d *scalingEventsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m scalingEventsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	client, diags := d.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	events, err := client.Events(ctx, m.resolve(d.connection))
	if err != nil {
		resp.Diagnostics.Append(d.connection.explain(err, "The scaling events could not be read", ""))
		return
	}
	since, _ := momentOf(m.Since)
	m.Events = []eventModel{}
	for _, e := range events {
		if e.Time.Before(since) || !m.Limit.IsNull() && int64(len(m.Events)) == m.Limit.ValueInt64() {
			break
		}
		m.Events = append(m.Events, newEventModel(e))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func newEventModel(e nomad.Event) eventModel {
	m := eventModel{actionModel: newActionModel(e.Action), Direction: types.StringValue(string(direction(e.Action))), Failed: types.BoolValue(e.Failed)}
	d := e.Decision
	if d == nil {
		return m
	}
	m.By = types.StringValue(jobspec.Driver)
	if d.Known {
		m.Load, m.Demand, m.Utilisation = types.Float64Value(d.Load), types.Float64Value(d.Demand), types.Float64Value(d.Utilisation)
	}
	m.Goal, m.MinInstances, m.MaxInstances, m.BufferInstances = integer(&d.Goal), integer(d.Min), integer(d.Max), integer(d.Buffer)
	m.OverrideUntil = momentValue(d.OverrideUntil)
	return m
}

// direction is where an action moves the count.
func direction(a nomad.Action) scaler.Direction {
	switch {
	case a.To > a.From:
		return scaler.Up
	case a.To < a.From:
		return scaler.Down
	default:
		return scaler.None
	}
}
