package provider

import (
	"context"
	"net/http"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewInstancesDataSource returns nomadscale_instances, the instances of an app.
func NewInstancesDataSource() datasource.DataSource { return &instancesDataSource{} }

type instancesDataSource struct{ dataSourceBase }

var (
	_ datasource.DataSourceWithConfigure      = (*instancesDataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*instancesDataSource)(nil)
)

func (d *instancesDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_instances"
}

func (d *instancesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = instancesSchema()
}

// ValidateConfig checks the mode and the addresses, as far as they are known.
func (d *instancesDataSource) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var mode types.String
	var addresses types.List
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(serviceSelectionMode), &mode)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("gateways"), &addresses)...)
	if !mode.IsNull() && !mode.IsUnknown() {
		key, _ := scaler.LookupKey(serviceSelectionMode)
		for _, e := range scaler.ValueErrors(key.Check(mode.ValueString())) {
			resp.Diagnostics.Append(invalidValue(e))
		}
	}
	for i, address := range addresses.Elements() {
		text, _ := address.(types.String)
		if text.IsNull() || text.IsUnknown() {
			continue
		}
		if _, err := parseAddress(text); err != nil {
			at := path.Root("gateways").AtListIndex(i)
			resp.Diagnostics.AddAttributeError(at, "Invalid gateways",
				wrongValue(at, &scaler.ValueError{Value: text.ValueString(), Allowed: "the URL of a gateway's admin listener, such as " +
					"http://10.0.0.1:9090"}))
		}
	}
}

// parseAddress reads the URL of one admin listener.
func parseAddress(text types.String) (string, error) {
	addresses, err := api.ParseAddresses(text.ValueString())
	if err != nil || len(addresses) != 1 {
		return "", &scaler.ValueError{Key: "gateways", Value: text.ValueString(), Allowed: "a URL"}
	}
	return addresses[0], nil
}

// Read asks Nomad for the instances and every gateway for their load. A gateway
// that does not answer leaves the load unknown; the rest is told all the same.
func (d *instancesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m instancesModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	client, diags := d.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	t := m.resolve(d.connection)
	block, err := client.Block(ctx, t)
	if err != nil {
		resp.Diagnostics.Append(d.connection.explain(err, "The app could not be read", ""))
		return
	}
	instances, err := client.Instances(ctx, t)
	if err != nil {
		resp.Diagnostics.Append(d.connection.explain(err, "The instances could not be read", ""))
		return
	}
	if m.ServiceSelectionMode.IsNull() {
		m.ServiceSelectionMode = types.StringValue(string(block.Policy.ServiceSelectionMode))
	}
	view, err := m.gateways(client).View(ctx, t)
	m.fill(instances, askedView{view, err}, block.Policy)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// gateways are asked for the load.
func (m instancesModel) gateways(client *nomad.Client) *api.Client {
	f := &api.Client{
		Services: client, Service: api.AdminService, Namespace: "default",
		Token: os.Getenv(api.AdminTokenVariable), HTTP: &http.Client{Timeout: api.LookTimeout},
	}
	for to, value := range map[*string]types.String{&f.Service: m.GatewayService, &f.Namespace: m.GatewayNamespace, &f.Token: m.GatewayToken} {
		if !value.IsNull() {
			*to = value.ValueString()
		}
	}
	for _, text := range m.Gateways {
		if address, err := parseAddress(text); err == nil {
			f.Addresses = append(f.Addresses, address)
		}
	}
	return f
}
