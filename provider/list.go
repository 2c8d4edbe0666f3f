package provider

import (
	"context"
	"errors"
	"iter"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// listSchema is that of a list, with the filter that every list has.
func listSchema(description string) schema.Schema {
	return schema.Schema{
		MarkdownDescription: description,
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{
				Optional: true, Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "The namespace to list. Default: all that the token may see.",
			},
		},
	}
}

// targets yields groups of a namespace or, for "*", of all. An error ends it.
type targets func(ctx context.Context, client *nomad.Client, namespace string) iter.Seq2[scaler.AppID, error]

// list lists the groups that are there in the namespace that is configured.
func (c *connection) list(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream, there targets, full fill) {
	var namespace types.String
	diags := req.Config.GetAttribute(ctx, path.Root("namespace"), &namespace)
	client, more := c.use()
	diags.Append(more...)
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	of := api.AllNamespacesNamespace
	if !namespace.IsNull() {
		of = namespace.ValueString()
	}
	stream.Results = listTargets(ctx, req, there(ctx, client, of), full)
}

// fill fills in the resource of a result. It returns [nomad.ErrNotFound] or
// [jobspec.ErrNoGroup] when there is none any more.
type fill func(context.Context, scaler.AppID, *list.ListResult) error

// listTargets streams a result for each group, with its resource where Terraform
// asks for it. One that is gone meanwhile is left out. An error is a result of
// its own, the last one.
func listTargets(ctx context.Context, req list.ListRequest, all iter.Seq2[scaler.AppID, error], full fill) iter.Seq[list.ListResult] {
	return func(push func(list.ListResult) bool) {
		var pushed int64
		for t, err := range all {
			if req.Limit > 0 && pushed == req.Limit {
				return
			}
			if err != nil {
				push(listFailed(sentence(err)))
				return
			}
			result := req.NewListResult(ctx)
			result.DisplayName = t.String()
			result.Diagnostics.Append(setIdentity(ctx, result.Identity, t)...)
			if req.IncludeResource {
				switch err := full(ctx, t, &result); {
				case errors.Is(err, nomad.ErrNotFound) || errors.Is(err, jobspec.ErrNoGroup):
					continue
				case err != nil:
					push(listFailed(sentence(err)))
					return
				}
			}
			if pushed++; !push(result) {
				return
			}
		}
	}
}

func listFailed(detail string) list.ListResult {
	var diags diag.Diagnostics
	diags.AddError("The list could not be read", detail)
	return list.ListResult{Diagnostics: diags}
}

// withPolicy yields the groups with a nomadscale policy, right or wrong, of a
// namespace or of all.
func withPolicy(ctx context.Context, client *nomad.Client, namespace string) iter.Seq2[scaler.AppID, error] {
	return func(yield func(scaler.AppID, error) bool) {
		apps, err := client.Apps(ctx)
		if err != nil {
			yield(scaler.AppID{}, err)
			return
		}
		for _, app := range apps {
			if (namespace == api.AllNamespacesNamespace || app.ID.Namespace == namespace) && !yield(app.ID, nil) {
				return
			}
		}
	}
}
