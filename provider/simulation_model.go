package provider

import (
	"math"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// simulationModel is nomadscale_simulation.
type simulationModel struct {
	Autoscaling    types.Object `tfsdk:"autoscaling"`
	Against        types.Object `tfsdk:"against"`
	Trace          types.String `tfsdk:"trace"`
	Duration       types.String `tfsdk:"duration"`
	Linear         types.Bool   `tfsdk:"linear"`
	From           types.String `tfsdk:"from"`
	To             types.String `tfsdk:"to"`
	StartDelay     types.String `tfsdk:"start_delay"`
	WithoutGateway types.Bool   `tfsdk:"without_gateway"`
	Result         types.Object `tfsdk:"result"`
	AgainstResult  types.Object `tfsdk:"against_result"`
	Difference     types.Object `tfsdk:"difference"`
}

// against is the attribute of the second policy.
const against = "against"

func simulationSchema() schema.Schema {
	var shapes []string
	for _, shape := range trace.Shapes() {
		shapes = append(shapes, "`"+shape.Syntax+"` ("+shape.Description+")")
	}
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description}
	}
	policy := make(map[string]schema.Attribute)
	for _, f := range fields {
		if f.parent == autoscaling {
			policy[f.Name] = f.kind().data(f.describe())
		}
	}
	return schema.Schema{
		MarkdownDescription: "Tries a policy on a load before it is applied: how many instances there would have been, how full they " +
			"were and what they cost. " +
			"It is the decision function of the autoscaler's plugin and of the gateway that decides. Nomad is not asked, and the same " +
			"input has the same result.",
		Attributes: map[string]schema.Attribute{
			autoscaling: schema.SingleNestedAttribute{
				Required: true, Attributes: policy,
				MarkdownDescription: "The policy, as in `nomadscale_app` and `nomadscale_policy`. Give both the same local value, and a plan " +
					"of a change shows what it will cost: Terraform does not read a data source before the apply that refers to a " +
					"resource that is to change.",
			},
			against: schema.SingleNestedAttribute{
				Optional: true, Attributes: policy,
				MarkdownDescription: "A second policy, whole, to compare with.",
			},
			"trace": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "The load: a shape, or the text of a trace. The shapes: " + strings.Join(shapes, "; ") + ". " +
					"A trace is CSV with a header, `time` and one of `requests_per_minute`, `concurrency` and `load`; JSON, a list of objects " +
					"with the same names; or the answer of Prometheus to `/api/v1/query_range`. " +
					"A time is RFC 3339, Unix seconds, or a duration from the start. Loads by the name of `load` are in the metric of the policy.",
			},
			"duration": text("How long a shape lasts, as `\"48h\"`. Default: as long as the shape says."),
			"linear": schema.BoolAttribute{Optional: true, MarkdownDescription: "The load of a trace runs straight from one time " +
				"to the next, instead of holding until then. Default: `false`."},
			"from": text("When the result begins: a time of the trace, or a duration from its start. What is before still " +
				"counts for how it begins. Default: the start."),
			"to":          text("When the result ends, in the same way. Default: the end of the trace."),
			"start_delay": text("How long an instance takes to be ready, as `\"5s\"`. Default: `0s`."),
			"without_gateway": schema.BoolAttribute{Optional: true, MarkdownDescription: "Decide at the autoscaler's evaluations only. " +
				"Otherwise the gateway decides too, when load arrives. Default: `false`."},
			"result": schema.SingleNestedAttribute{
				Computed: true, Attributes: figureAttributes(), MarkdownDescription: "What the policy would have done.",
			},
			"against_result": schema.SingleNestedAttribute{
				Computed: true, Attributes: figureAttributes(), MarkdownDescription: "What the policy of `against` would have done. Null without one.",
			},
			"difference": schema.SingleNestedAttribute{
				Computed: true, Attributes: figureAttributes(), MarkdownDescription: "How much greater each figure of `against_result` is " +
					"than that of `result`. Null without `against`.",
			},
		},
	}
}

// figureDescriptions are by the key of a figure.
var figureDescriptions = map[string]string{
	"mean_load":        "The mean load, in the metric of the policy.",
	"peak_load":        "The peak of the load, in the metric of the policy.",
	"mean_count":       "The mean count.",
	"peak_count":       "The most instances at a time.",
	"instance_seconds": "What is paid for: the seconds of every instance, from when it was asked for until it was stopped.",
	"instance_hours":   "`instance_seconds` in hours.",
	"cost":             "`instance_seconds` at the policy's `price_per_instance_second`.",
	"mean_utilisation": "The mean of the load as a fraction of what the ready instances carry at the target, over the time with any.",
	"peak_utilisation": "The peak of that.",
	"seconds_above_threshold": "For how many seconds the load was more than `scale_up_threshold` of what the ready instances carry, " +
		"or met none.",
	"seconds_above_target": "For how many seconds the load was more than all of what the ready instances carry, or met none.",
	"seconds_load_unknown": "For how many seconds the trace does not tell the load.",
	"cold_starts":          "How often load met no ready instance.",
	"cold_seconds":         "For how many seconds load waited for a first instance.",
	"cold_requests":        "About how many requests waited for a first instance. 0 with a custom metric.",
	"actions_up":           "How many actions raised the count.",
	"actions_down":         "How many actions lowered the count.",
}

// figures are the numbers of a result, by key.
func figures(r simulate.Result) map[string]float64 {
	all := map[string]float64{"instance_hours": r.InstanceSeconds / 3600}
	for _, figure := range r.Figures() {
		all[figure.Key] = figure.Value
	}
	return all
}

func figureAttributes() map[string]schema.Attribute {
	attributes := make(map[string]schema.Attribute)
	for key := range figures(simulate.Result{}) {
		attributes[key] = computedNumber(figureDescriptions[key])
	}
	return attributes
}

// figureTypes are the types of an object of figures.
func figureTypes() map[string]attr.Type {
	all := make(map[string]attr.Type)
	for key := range figures(simulate.Result{}) {
		all[key] = types.Float64Type
	}
	return all
}

// figureValues is an object of figures; those that are no number are null.
func figureValues(all map[string]float64) types.Object {
	values := make(map[string]attr.Value)
	for key, value := range all {
		values[key] = types.Float64Value(value)
		if math.IsNaN(value) || math.IsInf(value, 0) {
			values[key] = types.Float64Null()
		}
	}
	return types.ObjectValueMust(figureTypes(), values)
}

// policyOf is the model of one of the two policies.
func policyOf(object types.Object) scalingModel {
	m := noScaling()
	m.Autoscaling = object
	return m
}

// pathIn is where the field of a policy is that stands in an attribute.
func pathIn(attribute, name string) path.Path { return path.Root(attribute).AtName(name) }
