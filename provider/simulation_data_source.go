package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// NewSimulationDataSource returns nomadscale_simulation, which tries a policy on a
// load.
func NewSimulationDataSource() datasource.DataSource { return simulationDataSource{} }

type simulationDataSource struct{}

var _ datasource.DataSourceWithValidateConfig = simulationDataSource{}

func (simulationDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_simulation"
}

func (simulationDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = simulationSchema()
}

// ValidateConfig checks the policies and the trace, as far as they are known.
func (simulationDataSource) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var m simulationModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	for attribute, policy := range map[string]types.Object{autoscaling: m.Autoscaling, against: m.Against} {
		if policy.IsNull() {
			continue
		}
		for _, e := range policyOf(policy).wrong() {
			at := pathIn(attribute, e.Key)
			resp.Diagnostics.AddAttributeError(at, "Invalid "+e.Key, wrongValue(at, e))
		}
	}
	if !m.Trace.IsUnknown() && !m.Duration.IsUnknown() && !m.Linear.IsUnknown() {
		_, diags := m.readTrace()
		resp.Diagnostics.Append(diags...)
	}
}

func (simulationDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m simulationModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	t, diags := m.readTrace()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	options, diags := m.options(t)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	result, diags := try(autoscaling, m.Autoscaling, t, options)
	resp.Diagnostics.Append(diags...)
	m.AgainstResult, m.Difference = types.ObjectNull(figureTypes()), types.ObjectNull(figureTypes())
	if !m.Against.IsNull() {
		other, diags := try(against, m.Against, t, options)
		resp.Diagnostics.Append(diags...)
		difference := make(map[string]float64)
		for key, value := range other {
			difference[key] = value - result[key]
		}
		m.AgainstResult, m.Difference = figureValues(other), figureValues(difference)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	m.Result = figureValues(result)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// try runs the policy in an attribute. Without a result there is an error.
func try(attribute string, policy types.Object, t trace.Trace, options simulate.Options) (map[string]float64, diag.Diagnostics) {
	var diags diag.Diagnostics
	set, _ := policyOf(policy).settings()
	block, err := set.block(someTarget)
	if err != nil {
		for _, e := range scaler.ValueErrors(err) {
			at := pathIn(attribute, e.Key)
			diags.AddAttributeError(at, "Invalid "+e.Key, wrongValue(at, e))
		}
		return map[string]float64{}, diags
	}
	options.Step = block.EvaluationInterval
	result, err := simulate.Run(block.Policy, t, options)
	if err == nil {
		return figures(result), nil
	}
	at, detail := path.Root("trace"), sentence(err)
	for _, e := range scaler.ValueErrors(err) {
		switch e.Key {
		case "from", "to":
			at = path.Root(e.Key)
		case "start delay":
			at = path.Root("start_delay")
		case "step":
			at = pathIn(attribute, "evaluation_interval")
		}
		detail = wrongValue(at, e)
	}
	diags.AddAttributeError(at, "The policy of "+attribute+" cannot be tried", detail)
	return map[string]float64{}, diags
}

// readTrace makes the load of a shape or of a text.
func (m simulationModel) readTrace() (trace.Trace, diag.Diagnostics) {
	var diags diag.Diagnostics
	text, length := m.Trace.ValueString(), time.Duration(0)
	shape := trace.IsShape(text) || !strings.ContainsAny(text, "\n[{")
	if !m.Duration.IsNull() {
		var ok bool
		if length, ok = scaler.ParseDuration(m.Duration.ValueString()); !ok || length <= 0 {
			diags.AddAttributeError(path.Root("duration"), "Invalid duration",
				wrongValue(path.Root("duration"), &scaler.ValueError{Value: m.Duration.ValueString(), Allowed: "a duration above 0, such as 90s or 48h"}))
		}
	}
	if !shape && !m.Duration.IsNull() {
		diags.AddAttributeError(path.Root("duration"), "Invalid duration", "duration is for a shape; with the text of a trace, from "+
			"and to bound it.")
	}
	if shape && !m.Linear.IsNull() {
		diags.AddAttributeError(path.Root("linear"), "Invalid linear", "linear is for the text of a trace; a shape runs as it is.")
	}
	if diags.HasError() {
		return trace.Trace{}, diags
	}
	var t trace.Trace
	var err error
	if shape {
		t, err = trace.ParseShape(text, length)
	} else if t, err = trace.Parse([]byte(text)); err == nil {
		t.Linear = m.Linear.ValueBool()
	}
	if err != nil {
		diags.AddAttributeError(path.Root("trace"), "Invalid trace", sentence(fmt.Errorf("trace: %w", err)))
	}
	return t, diags
}

// options reads how the trace is to be replayed.
func (m simulationModel) options(t trace.Trace) (simulate.Options, diag.Diagnostics) {
	var diags diag.Diagnostics
	o := simulate.Options{WithoutGateway: m.WithoutGateway.ValueBool()}
	for name, moment := range map[string]struct {
		to   *time.Time
		text types.String
	}{"from": {&o.From, m.From}, "to": {&o.To, m.To}} {
		var err error
		if *moment.to, err = t.Moment(moment.text.ValueString()); err != nil {
			for _, e := range scaler.ValueErrors(err) {
				diags.AddAttributeError(path.Root(name), "Invalid "+name, wrongValue(path.Root(name), e))
			}
		}
	}
	if !m.StartDelay.IsNull() {
		var ok bool
		if o.StartDelay, ok = scaler.ParseDuration(m.StartDelay.ValueString()); !ok || o.StartDelay < 0 {
			diags.AddAttributeError(path.Root("start_delay"), "Invalid start_delay",
				wrongValue(path.Root("start_delay"), &scaler.ValueError{Value: m.StartDelay.ValueString(), Allowed: "a duration, such as 5s"}))
		}
	}
	return o, diags
}
