package provider

import (
	"context"
	"iter"

	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewAppList returns the list of what nomadscale_app can adopt.
func NewAppList() list.ListResource { return &appResource{} }

var _ list.ListResourceWithConfigure = (*appResource)(nil)

func (r *appResource) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = listSchema("What `nomadscale_app` can adopt: groups of service jobs, each with its job specification as it was " +
		"submitted. By default those that have a nomadscale policy, " +
		"written by hand, by `nomadscale_policy` or by an app of another state. To keep the job as it is and declare only the policy, " +
		"list `nomadscale_policy` instead.")
	resp.Schema.Attributes["without_policy"] = schema.BoolAttribute{
		Optional: true,
		MarkdownDescription: "List instead the groups that have no `scaling` block and could have one. Adopting one of them gives it " +
			"the policy that is declared and restarts nothing. Default: `false`.",
	}
}

// List lists live apps, or groups that could become apps.
func (r *appResource) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var withoutPolicy types.Bool
	if diags := req.Config.GetAttribute(ctx, path.Root("without_policy"), &withoutPolicy); diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	there := targets(withPolicy)
	if withoutPolicy.ValueBool() {
		there = func(ctx context.Context, client *nomad.Client, namespace string) iter.Seq2[scaler.AppID, error] {
			return client.Unscaled(ctx, namespace)
		}
	}
	r.connection.list(ctx, req, stream, there, r.fill)
}

// fill is the app as importing it would make it.
func (r *appResource) fill(ctx context.Context, t scaler.AppID, result *list.ListResult) error {
	job, err := r.connection.client.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil {
		return err
	}
	m := appModelV0{Group: types.StringValue(t.Group), Drift: driftValue(nil), Timeouts: noTimeouts()}
	m.setTarget(&t)
	m.scalingModel = liveScaling(job, t, noScaling())
	result.Diagnostics.Append(r.adopt(ctx, &m, job)...)
	result.Diagnostics.Append(result.Resource.Set(ctx, m)...)
	return nil
}
