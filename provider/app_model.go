package provider

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// appModelV0 is version 0 of the state of nomadscale_app.
type appModelV0 struct {
	ID             types.String   `tfsdk:"id"`
	Namespace      types.String   `tfsdk:"namespace"`
	JobID          types.String   `tfsdk:"job_id"`
	Jobspec        types.String   `tfsdk:"jobspec"`
	Group          types.String   `tfsdk:"group"`
	Detach         types.Bool     `tfsdk:"detach"`
	PurgeOnDestroy types.Bool     `tfsdk:"purge_on_destroy"`
	Drift          types.Map      `tfsdk:"drift"`
	Timeouts       timeouts.Value `tfsdk:"timeouts"`
	scalingModel
}

// defaultTimeout is longer than the ten minutes that a deployment has by
// default, so that its own verdict comes first.
const defaultTimeout = 15 * time.Minute

func appSchema(ctx context.Context) schema.Schema {
	attributes := scalingSchema()
	for name, attribute := range map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, MarkdownDescription: "`<namespace>/<job>/<group>`."},
		"namespace": schema.StringAttribute{Computed: true, MarkdownDescription: "The namespace of the job: the one that the jobspec " +
			"names, else the provider's."},
		"job_id": schema.StringAttribute{Computed: true, MarkdownDescription: "The ID of the job. Another ID or namespace in the " +
			"jobspec replaces the job."},
		"jobspec": schema.StringAttribute{
			Required:   true,
			Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			MarkdownDescription: "The specification of a service job: HCL, which Nomad itself parses, or JSON, as `{\"Job\": …}` or as " +
				"the bare job. " +
				"The group must have no `scaling` block of its own. Its `count` is where a new job starts; from then on the count belongs to " +
				"the autoscaler. " +
				"The count of another group is set when it is changed here, and is otherwise left as it is.",
		},
		"group": schema.StringAttribute{
			Required:            true,
			Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			MarkdownDescription: "The group of the job that scales. Another group takes the policy over in place.",
		},
		"detach": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Do not wait for the deployment after a change, nor for the instances to stop on destroy. Default: `false`.",
		},
		"purge_on_destroy": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Make Nomad forget the job on destroy. Default: `true`, so that nothing is left behind and a job of this " +
				"ID can be declared again. " +
				"With `false` the stopped job stays, with its versions and scaling events, until Nomad collects it.",
		},
		"drift": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What has changed in the job outside of Terraform and of the policy, by path, as " +
				"`group.web.task.app.config.image = \"web:2 (declared web:1)\"`. " +
				"It is always planned to be empty: a plan shows the changes, and applying it undoes them. Counts are never drift.",
		},
		"timeouts": timeoutsAttribute(ctx, "a new job to be healthy", "a changed job to be healthy", "the instances to stop"),
	} {
		attributes[name] = attribute
	}
	return schema.Schema{
		MarkdownDescription: "A service job of Nomad, one group of which scales by a policy.",
		Attributes:          attributes,
	}
}

// timeoutsAttribute says what is waited for after each kind of change.
func timeoutsAttribute(ctx context.Context, create, update, remove string) schema.Attribute {
	describe := func(what string) string { return "How long to wait for " + what + ". Default: `15m`." }
	attribute, _ := timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, CreateDescription: describe(create),
		Update: true, UpdateDescription: describe(update),
		Delete: true, DeleteDescription: describe(remove),
	}).(schema.SingleNestedAttribute)
	attribute.MarkdownDescription = "How long to wait, as `\"30s\"` or `\"2h45m\"`."
	return attribute
}

// target is the group that the state is of.
func (m appModelV0) target() scaler.AppID {
	return scaler.AppID{Namespace: m.Namespace.ValueString(), Job: m.JobID.ValueString(), Group: m.Group.ValueString()}
}

// setTarget fills in what names the group; unknown when t is nil.
func (m *appModelV0) setTarget(t *scaler.AppID) {
	if t == nil {
		m.ID, m.Namespace, m.JobID = types.StringUnknown(), types.StringUnknown(), types.StringUnknown()
		return
	}
	m.ID, m.Namespace, m.JobID = types.StringValue(t.String()), types.StringValue(t.Namespace), types.StringValue(t.Job)
}

// sameJob reports whether two models declare the same job, so that there is
// nothing to tell Nomad.
func (m appModelV0) sameJob(other appModelV0) bool {
	return m.Jobspec.Equal(other.Jobspec) && m.Group.Equal(other.Group) && m.Drift.Equal(other.Drift) && m.equal(other.scalingModel)
}

// changes lists by path what a later look at the same job shows otherwise.
func (m appModelV0) changes(later appModelV0) []string {
	return append(m.scalingModel.changes(later.scalingModel), driftChanges(m.Drift, later.Drift)...)
}

// driftChanges lists the paths of what has drifted, or has been undone, since.
func driftChanges(earlier, later types.Map) []string {
	var paths []string
	before, now := earlier.Elements(), later.Elements()
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if was, drifted := before[path]; !drifted || !was.Equal(now[path]) {
			paths = append(paths, path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if _, drifted := now[path]; !drifted {
			paths = append(paths, path)
		}
	}
	return paths
}

func driftValue(drift map[string]string) types.Map {
	elements := make(map[string]attr.Value, len(drift))
	for path, difference := range drift {
		elements[path] = types.StringValue(difference)
	}
	return types.MapValueMust(types.StringType, elements)
}

// noTimeouts is the value of timeouts that are not configured.
func noTimeouts() timeouts.Value {
	return timeouts.Value{Object: types.ObjectNull(map[string]attr.Type{"create": types.StringType, "update": types.StringType, "delete": types.StringType})}
}
