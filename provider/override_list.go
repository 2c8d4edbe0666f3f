package provider

import (
	"context"
	"iter"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewOverrideList returns the list of what nomadscale_override can adopt.
func NewOverrideList() list.ListResource { return &overrideResource{} }

var _ list.ListResourceWithConfigure = (*overrideResource)(nil)

func (r *overrideResource) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = listSchema("The overrides that are in force, set here or elsewhere.")
}

// List lists the overrides that are in force.
func (r *overrideResource) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	r.connection.list(ctx, req, stream, r.live, r.fill)
}

// live yields the apps with an override in force, of a namespace or of all.
func (r *overrideResource) live(ctx context.Context, client *nomad.Client, namespace string) iter.Seq2[scaler.AppID, error] {
	return func(yield func(scaler.AppID, error) bool) {
		overrides, err := client.ListOverrides(ctx)
		if err != nil {
			yield(scaler.AppID{}, err)
			return
		}
		for _, o := range overrides {
			listed := namespace == api.AllNamespacesNamespace || o.App.Namespace == namespace
			if listed && o.Override != nil && o.Override.Live(r.connection.now()) && !yield(o.App, nil) {
				return
			}
		}
	}
}

// fill is the override as importing it would make it.
func (r *overrideResource) fill(ctx context.Context, t scaler.AppID, result *list.ListResult) error {
	o, err := r.connection.client.Override(ctx, t)
	if err != nil {
		return err
	}
	m := overrideModelV0{
		ID: types.StringValue(t.String()), Namespace: types.StringValue(t.Namespace), JobID: types.StringValue(t.Job), Group: types.StringValue(t.Group),
	}
	m.show(o.Override)
	result.Diagnostics.Append(result.Resource.Set(ctx, m)...)
	return nil
}
