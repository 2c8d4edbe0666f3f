package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewPolicyList returns the list of what nomadscale_policy can adopt.
func NewPolicyList() list.ListResource { return &policyResource{} }

var _ list.ListResourceWithConfigure = (*policyResource)(nil)

type policyListModel struct {
	Namespace types.String `tfsdk:"namespace"`
}

func (r *policyResource) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The groups that have a nomadscale policy, whoever wrote it: what `nomadscale_policy` can adopt without touching the jobs. " +
			"Whoever wants to declare the jobs as well lists `nomadscale_app` instead.",
		Attributes: map[string]schema.Attribute{"namespace": listNamespace()},
	}
}

// List lists live policies.
func (r *policyResource) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var config policyListModel
	diags := req.Config.Get(ctx, &config)
	client, more := r.connection.use()
	diags.Append(more...)
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	stream.Results = listTargets(ctx, req, withPolicy(ctx, client, namespaceOf(config.Namespace)), r.fill)
}

// fill is the policy as importing it would make it.
func (r *policyResource) fill(ctx context.Context, t nomad.Target, result *list.ListResult) error {
	job, err := r.connection.client.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil {
		return err
	}
	m := policyModelV0{Drift: driftValue(nil), Timeouts: noTimeouts()}
	m.setTarget(t)
	m.scalingModel = liveScaling(job, t, noScaling())
	result.Diagnostics.Append(m.adopt(job)...)
	result.Diagnostics.Append(result.Resource.Set(ctx, m)...)
	return nil
}
