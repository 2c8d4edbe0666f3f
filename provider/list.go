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
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// listNamespace is the filter that every list has.
func listNamespace() schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
		MarkdownDescription: "The namespace to list. Default: all that the token may see.",
	}
}

// listTargets streams a result for each group. Full fills in the resource, where
// Terraform asks for it; a group that is gone meanwhile is left out. An error is
// a result of its own, the last one.
func listTargets(ctx context.Context, req list.ListRequest, targets iter.Seq2[nomad.Target, error], full func(context.Context, nomad.Target, *list.ListResult) error) iter.Seq[list.ListResult] {
	return func(push func(list.ListResult) bool) {
		var pushed int64
		for t, err := range targets {
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
				case errors.Is(err, nomad.ErrNotFound) || errors.Is(err, nomad.ErrNoGroup):
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
func withPolicy(ctx context.Context, client *nomad.Client, namespace string) iter.Seq2[nomad.Target, error] {
	return func(yield func(nomad.Target, error) bool) {
		apps, err := client.Apps(ctx)
		if err != nil {
			yield(nomad.Target{}, err)
			return
		}
		for _, app := range apps {
			if (namespace == api.AllNamespacesNamespace || app.Namespace == namespace) && !yield(app.Target(), nil) {
				return
			}
		}
	}
}

// namespaceOf is the namespace that a list is of.
func namespaceOf(configured types.String) string {
	if configured.IsNull() {
		return api.AllNamespacesNamespace
	}
	return configured.ValueString()
}
