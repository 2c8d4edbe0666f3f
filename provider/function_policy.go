package provider

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/zclconf/go-cty/cty"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// NewPolicyFunction returns policy, which renders a policy for a jobspec.
func NewPolicyFunction() function.Function { return policyFunction{} }

type policyFunction struct{}

func (policyFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "policy"
}

func (policyFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Render a policy as a scaling block",
		MarkdownDescription: "Renders a policy as the `scaling` block of a group in HCL, for a job that Terraform does not own or that " +
			"is written by hand. " +
			"The block says every value, those by default too. It asks nothing of Nomad.",
		Parameters: []function.Parameter{
			function.StringParameter{Name: "app", MarkdownDescription: "The group that the block is for, as `<namespace>/<job>/<group>`."},
			policyParameter,
		},
		Return: function.StringReturn{},
	}
}

func (policyFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var app string
	var policy types.Dynamic
	if resp.Error = req.Arguments.Get(ctx, &app, &policy); resp.Error != nil {
		return
	}
	t, err := scaler.ParseAppID(app)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	block, failed := readPolicy(policy, 1, t)
	if resp.Error = failed; failed != nil {
		return
	}
	resp.Error = resp.Result.Set(ctx, renderBlock(block))
}

// renderBlock writes a scaling block as a jobspec does.
func renderBlock(b jobspec.Block) string {
	rendered := b.Render()
	file := hclwrite.NewEmptyFile()
	scaling := file.Body().AppendNewBlock("scaling", nil).Body()
	scaling.SetAttributeValue("enabled", cty.BoolVal(*rendered.Enabled))
	scaling.SetAttributeValue("min", cty.NumberIntVal(*rendered.Min))
	scaling.SetAttributeValue("max", cty.NumberIntVal(*rendered.Max))
	scaling.AppendNewline()
	writeBody(scaling.AppendNewBlock("policy", nil).Body(), rendered.Policy)
	return string(hclwrite.Format(file.Bytes()))
}

// writeBody writes texts first and labelled blocks after them. The autoscaler
// takes each of those as a list of one around the label and another around the
// body.
func writeBody(body *hclwrite.Body, values map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if text, ok := values[name].(string); ok {
			body.SetAttributeValue(name, cty.StringVal(text))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		blocks, _ := values[name].([]any)
		for _, block := range blocks {
			byLabel, _ := block.(map[string]any)
			for label, bodies := range byLabel {
				body.AppendNewline()
				inner := body.AppendNewBlock(name, []string{label}).Body()
				list, _ := bodies.([]any)
				for _, values := range list {
					values, _ := values.(map[string]any)
					writeBody(inner, values)
				}
			}
		}
	}
}
