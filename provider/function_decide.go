package provider

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// NewDecideFunction returns decide, which answers as the autoscaler would.
func NewDecideFunction() function.Function { return decideFunction{} }

type decideFunction struct{}

var decisionTypes = map[string]attr.Type{
	"count": types.Int64Type, "direction": types.StringType, "rule": types.StringType, "reason": types.StringType,
	"goal": types.Int64Type, "demand": types.Float64Type, "utilisation": types.Float64Type, "wait": types.StringType,
}

func (decideFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "decide"
}

func (decideFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Decide how many instances should run",
		MarkdownDescription: "Answers how many instances a policy asks for under a load, with the reason, by the function that the " +
			"autoscaler's plugin and the gateway decide by. " +
			"It asks nothing of Nomad. The result is an object: `count`, how many instances should run; `direction`, `up`, `down` or " +
			"`none`; `rule`, the rule that fired; `reason`, why, in words; " +
			"`goal`, the count that the load calls for, within the bounds; `demand`, the load in instances at 100 %, and `utilisation`, " +
			"the demand on each instance that is not buffer, both null while the load is unknown; " +
			"`wait`, how long a cooldown still holds the count back.",
		Parameters: []function.Parameter{policyParameter, function.DynamicParameter{
			Name: "observation",
			MarkdownDescription: "An object: `desired`, the count now; `load`, in the metric of the policy, null while it is unknown; " +
				"`since_load`, for how long it has been that, long ago by default; `since_up` and `since_change`, how long ago the last " +
				"action up and the last change of the count were, never by default. Durations are as in the policy.",
		}},
		Return: function.ObjectReturn{AttributeTypes: decisionTypes},
	}
}

func (decideFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var policy, observation types.Dynamic
	if resp.Error = req.Arguments.Get(ctx, &policy, &observation); resp.Error != nil {
		return
	}
	block, failed := readPolicy(policy, 0, someTarget)
	if resp.Error = failed; failed != nil {
		return
	}
	o, err := readObservation(observation, block.Policy)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(1, err.Error())
		return
	}
	d := scaler.Decide(block.Policy, o)
	result := map[string]attr.Value{
		"count": types.Int64Value(int64(d.Count)), "direction": types.StringValue(string(d.Direction)),
		"rule": types.StringValue(string(d.Rule)), "reason": types.StringValue(d.Reason()),
		"goal": types.Int64Value(int64(d.Goal)), "demand": types.Float64Null(), "utilisation": types.Float64Null(),
		"wait": types.StringValue(scaler.FormatDuration(d.Wait)),
	}
	if d.Known {
		result["demand"], result["utilisation"] = types.Float64Value(d.Demand), types.Float64Value(d.Utilisation)
	}
	resp.Error = resp.Result.Set(ctx, types.ObjectValueMust(decisionTypes, result))
}

// observed is the moment of every decision of the function, which knows no clock.
var observed = time.Unix(0, 0).UTC()

// readObservation makes an observation of a function's argument.
func readObservation(argument types.Dynamic, p scaler.Policy) (scaler.Observation, error) {
	o := scaler.Observation{Now: observed, Desired: -1}
	var load *float64
	since := map[string]time.Duration{"since_load": p.StopAfterInactive + 2*scaler.MaxGap, "since_up": 0, "since_change": 0}
	err := eachAttribute("the observation", argument.UnderlyingValue(), []string{"desired", "load", "since_load", "since_up", "since_change"}, func(name string, value attr.Value) error {
		text, _ := textOfAny(value)
		switch name {
		case "desired":
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return &scaler.ValueError{Key: name, Value: text, Allowed: "a whole number of at least 0"}
			}
			o.Desired = n
		case "load":
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || n < 0 {
				return &scaler.ValueError{Key: name, Value: text, Allowed: "a number of at least 0, or null"}
			}
			load = &n
		default:
			d, ok := scaler.ParseDuration(text)
			if !ok || d < 0 {
				return &scaler.ValueError{Key: name, Value: text, Allowed: `a duration, such as "5m"`}
			}
			since[name] = d
			switch name {
			case "since_up":
				o.LastUp = observed.Add(-d)
			case "since_change":
				o.LastChange = observed.Add(-d)
			}
		}
		return nil
	})
	if err != nil {
		return o, err
	}
	if o.Desired < 0 {
		return o, fmt.Errorf("the observation must have the attribute desired, the count now")
	}
	if load != nil {
		for at := observed.Add(-since["since_load"]); at.Before(observed); at = at.Add(scaler.MaxGap) {
			o.Series = append(o.Series, scaler.Sample{Time: at, Value: *load})
		}
		o.Series = append(o.Series, scaler.Sample{Time: observed, Value: *load})
	}
	return o, nil
}
