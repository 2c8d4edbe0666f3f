package provider

import (
	"context"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// advise warns of what in a policy, and in the job that it stands in, is hardly
// meant. What is said of the job belongs to an attribute of the resource. A job
// that is not known is nil, and nothing is said of it.
func (c *connection) advise(ctx context.Context, job *api.Job, b jobspec.Block, at path.Path) diag.Diagnostics {
	advice := b.Policy.Advice()
	if job != nil {
		advice = append(advice, jobspec.Advise(job, b)...)
		advice = append(advice, c.quotas.Advise(ctx, c.client, job, b, c.region)...)
	}
	var diags diag.Diagnostics
	for _, a := range advice {
		diags.Append(adviceDiagnostic(a, at))
	}
	return diags
}

func adviceDiagnostic(a scaler.Advice, job path.Path) diag.Diagnostic {
	at := job
	if f, ok := lookupField(a.Key); ok {
		at = f.path()
	}
	return diag.NewAttributeWarningDiagnostic(at, a.Summary, a.Reason+"\n\n"+a.Remedy)
}
