package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/list"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// NewPolicyList returns the list of what nomadscale_policy can adopt.
func NewPolicyList() list.ListResource { return &policyResource{} }

var _ list.ListResourceWithConfigure = (*policyResource)(nil)

func (r *policyResource) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = listSchema("The groups that have a nomadscale policy, wherever it is declared: what `nomadscale_policy` can adopt " +
		"without touching the jobs. " +
		"Whoever wants to declare the jobs as well lists `nomadscale_app` instead.")
}

// List lists live policies.
func (r *policyResource) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	r.connection.list(ctx, req, stream, withPolicy, r.fill)
}

// fill is the policy as importing it would make it.
func (r *policyResource) fill(ctx context.Context, t scaler.AppID, result *list.ListResult) error {
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
