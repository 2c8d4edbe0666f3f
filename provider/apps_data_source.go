package provider

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewAppsDataSource returns nomadscale_apps, which lists the apps.
func NewAppsDataSource() datasource.DataSource { return &appsDataSource{} }

type appsDataSource struct{ dataSourceBase }

var _ datasource.DataSourceWithConfigure = (*appsDataSource)(nil)

// listTimeout bounds what is asked of Nomad about all apps.
const listTimeout = 2 * time.Minute

// appsModel is nomadscale_apps.
type appsModel struct {
	Namespace types.String    `tfsdk:"namespace"`
	Prefix    types.String    `tfsdk:"prefix"`
	Enabled   types.Bool      `tfsdk:"enabled"`
	Apps      []appModelInAll `tfsdk:"apps"`
}

type appModelInAll struct {
	ID                   types.String `tfsdk:"id"`
	Namespace            types.String `tfsdk:"namespace"`
	JobID                types.String `tfsdk:"job_id"`
	Group                types.String `tfsdk:"group"`
	Valid                types.Bool   `tfsdk:"valid"`
	Error                types.String `tfsdk:"error"`
	Enabled              types.Bool   `tfsdk:"enabled"`
	Stopped              types.Bool   `tfsdk:"stopped"`
	Desired              types.Int64  `tfsdk:"desired"`
	Running              types.Int64  `tfsdk:"running"`
	MinInstances         types.Int64  `tfsdk:"min_instances"`
	MaxInstances         types.Int64  `tfsdk:"max_instances"`
	BufferInstances      types.Int64  `tfsdk:"buffer_instances"`
	Metric               types.String `tfsdk:"metric"`
	ServiceSelectionMode types.String `tfsdk:"service_selection_mode"`
	LastAction           *actionModel `tfsdk:"last_action"`
}

// actionModel is a change of a count.
type actionModel struct {
	Time   types.String `tfsdk:"time"`
	From   types.Int64  `tfsdk:"from"`
	To     types.Int64  `tfsdk:"to"`
	Rule   types.String `tfsdk:"rule"`
	Reason types.String `tfsdk:"reason"`
}

func (d *appsDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_apps"
}

func (d *appsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lists the apps: the groups of jobs that have a nomadscale policy, wherever it is declared, with their " +
			"counts and last actions.",
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{Optional: true, MarkdownDescription: "Only those of this namespace. Default: all that the " +
				"token may see."},
			"prefix": schema.StringAttribute{Optional: true, MarkdownDescription: "Only those of jobs whose ID begins with this."},
			"enabled": schema.BoolAttribute{Optional: true, MarkdownDescription: "Only those whose policy is enabled, or with `false` " +
				"only those whose policy is not. One that is wrong is neither."},
			"apps": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "The apps, in the order of their `id`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":                     computedText("`<namespace>/<job>/<group>`."),
					"namespace":              computedText("The namespace of the job."),
					"job_id":                 computedText("The ID of the job."),
					"group":                  computedText("The group of the job that scales."),
					"valid":                  computedFlag("Whether the policy can be read. Nothing scales an app whose policy is wrong."),
					"error":                  computedText("What is wrong with the policy, or why the count is not known. Null when nothing is."),
					"enabled":                computedFlag("Whether the autoscaler acts on the policy. Null when the policy is wrong."),
					"stopped":                computedFlag("Whether the job is stopped. Null when that is not known."),
					"desired":                computedInteger("The count that Nomad is asked to run. Null when it is not known."),
					"running":                computedInteger("How many instances run. Null when that is not known."),
					"min_instances":          computedInteger("The policy's `min_instances`. Null when the policy is wrong."),
					"max_instances":          computedInteger("The policy's `max_instances`. Null when the policy is wrong."),
					"buffer_instances":       computedInteger("The policy's `buffer_instances`. Null when the policy is wrong."),
					"metric":                 computedText("The policy's `metric`. Null when the policy is wrong."),
					"service_selection_mode": computedText("The policy's `service_selection_mode`. Null when the policy is wrong."),
					"last_action": schema.SingleNestedAttribute{
						Computed: true, MarkdownDescription: "The last change of the count. Null when Nomad knows of none.",
						Attributes: actionAttributes(),
					},
				}},
			},
		},
	}
}

func computedText(description string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func computedFlag(description string) schema.BoolAttribute {
	return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
}

func computedInteger(description string) schema.Int64Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
}

func computedNumber(description string) schema.Float64Attribute {
	return schema.Float64Attribute{Computed: true, MarkdownDescription: description}
}

func actionAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"time":   computedText("When it was, as in RFC 3339."),
		"from":   computedInteger("The count before."),
		"to":     computedInteger("The count after."),
		"rule":   computedText("The rule of the decision. Null when it was by hand, or by something else than nomadscale."),
		"reason": computedText("Why, in words."),
	}
}

// Read lists all apps at once, and asks for the counts of those that are wanted.
func (d *appsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m appsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	client, diags := d.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	all, err := client.Apps(ctx)
	if err != nil {
		resp.Diagnostics.AddError("The apps could not be listed", sentence(err)+"\n\n"+d.connection.reach())
		return
	}
	var wanted []nomad.App
	var targets []scaler.AppID
	for _, app := range all {
		if m.wants(app) {
			wanted, targets = append(wanted, app), append(targets, app.ID)
		}
	}
	statuses, errs := client.Statuses(ctx, targets)
	m.Apps = make([]appModelInAll, len(wanted))
	for i, app := range wanted {
		m.Apps[i] = newAppInAll(app, statuses[i], errs[i])
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (m appsModel) wants(app nomad.App) bool {
	return (m.Namespace.IsNull() || app.ID.Namespace == m.Namespace.ValueString()) &&
		strings.HasPrefix(app.ID.Job, m.Prefix.ValueString()) &&
		(m.Enabled.IsNull() || app.Err == nil && app.Policy.Enabled == m.Enabled.ValueBool())
}

func newAppInAll(app nomad.App, status nomad.Status, unknown error) appModelInAll {
	a := appModelInAll{
		ID:        types.StringValue(app.ID.String()),
		Namespace: types.StringValue(app.ID.Namespace), JobID: types.StringValue(app.ID.Job), Group: types.StringValue(app.ID.Group),
		Valid: types.BoolValue(app.Err == nil),
	}
	if err := errors.Join(app.Err, unknown); err != nil {
		a.Error = types.StringValue(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if unknown == nil {
		a.Stopped = types.BoolValue(status.Stopped)
		a.Desired, a.Running = types.Int64Value(int64(status.Desired)), types.Int64Value(int64(status.Running))
		if action := status.History.LastAction; action != nil {
			a.LastAction = new(newActionModel(*action))
		}
	}
	if p := app.Policy; app.Err == nil {
		a.Enabled = types.BoolValue(p.Enabled)
		a.MinInstances, a.MaxInstances, a.BufferInstances = integer(&p.MinInstances), integer(&p.MaxInstances), integer(&p.BufferInstances)
		a.Metric, a.ServiceSelectionMode = types.StringValue(string(p.Metric)), types.StringValue(string(p.ServiceSelectionMode))
	}
	return a
}

func newActionModel(a nomad.Action) actionModel {
	return actionModel{
		Time: momentValue(a.Time), From: integer(&a.From), To: integer(&a.To),
		Rule: textOrNull(string(a.Rule)), Reason: textOrNull(a.Reason),
	}
}
