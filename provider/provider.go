// Package provider declares nomadscale's apps in Terraform. It is a thin
// adapter: what a policy means is decided in package scaler, and what is said
// to Nomad in package scaler/nomad.
package provider

import (
	"context"
	"time"

	tfaction "github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Address is where registries list the provider.
const Address = "registry.terraform.io/nomadscale/nomadscale"

// New returns the provider of a version of the binary.
func New(version string) func() provider.Provider { return newAt(version, time.Now) }

// newAt is New with a clock.
func newAt(version string, now func() time.Time) func() provider.Provider {
	return func() provider.Provider { return &nomadscaleProvider{version: version, now: now} }
}

type nomadscaleProvider struct {
	version string
	now     func() time.Time
}

var (
	_ provider.ProviderWithFunctions     = (*nomadscaleProvider)(nil)
	_ provider.ProviderWithActions       = (*nomadscaleProvider)(nil)
	_ provider.ProviderWithListResources = (*nomadscaleProvider)(nil)
)

func (p *nomadscaleProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "nomadscale"
	resp.Version = p.version
}

func (p *nomadscaleProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = configSchema()
}

// Configure prepares the client. While parts of the configuration are still
// unknown, as when the same run creates the cluster, there is none: plans go
// without what only Nomad can tell.
func (p *nomadscaleProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	c := &connection{now: p.now}
	resp.ResourceData, resp.DataSourceData, resp.ActionData, resp.ListResourceData = c, c, c, c
	if !req.Config.Raw.IsFullyKnown() {
		return
	}
	var config configModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	settings, diags := config.apiConfig()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	client, err := nomad.New(settings)
	if err != nil {
		resp.Diagnostics.AddError("Invalid provider configuration", sentence(err)+" Correct the address and the TLS settings of the "+
			"provider, or the NOMAD_* variables that stand in for them.")
		return
	}
	c.client, c.namespace, c.region = client, settings.Namespace, settings.Region
}

func (p *nomadscaleProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{NewAppResource, NewPolicyResource, NewOverrideResource}
}

func (p *nomadscaleProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{NewAppsDataSource, NewInstancesDataSource, NewScalingEventsDataSource, NewSimulationDataSource}
}

// Functions are pure: they need no configuration.
func (p *nomadscaleProvider) Functions(context.Context) []func() function.Function {
	return []func() function.Function{NewDecideFunction, NewPolicyFunction}
}

func (p *nomadscaleProvider) Actions(context.Context) []func() tfaction.Action {
	return []func() tfaction.Action{NewScaleAction}
}

func (p *nomadscaleProvider) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{NewAppList, NewPolicyList, NewOverrideList}
}
