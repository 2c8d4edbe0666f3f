package provider

import (
	"context"
	"fmt"

	tfaction "github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// resourceBase, dataSourceBase and actionBase are embedded in everything that the
// provider declares and that reaches Nomad. They take over the connection that the
// provider's own Configure has passed on; it is nil before that.
type (
	resourceBase   struct{ connection *connection }
	dataSourceBase struct{ connection *connection }
	actionBase     struct{ connection *connection }
)

// Configure takes over the connection.
func (b *resourceBase) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	resp.Diagnostics.Append(connect(&b.connection, req.ProviderData)...)
}

// Configure takes over the connection.
func (b *dataSourceBase) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	resp.Diagnostics.Append(connect(&b.connection, req.ProviderData)...)
}

// Configure takes over the connection.
func (b *actionBase) Configure(_ context.Context, req tfaction.ConfigureRequest, resp *tfaction.ConfigureResponse) {
	resp.Diagnostics.Append(connect(&b.connection, req.ProviderData)...)
}

// connect sets the connection to what Configure has passed on, if it has been called.
func connect(to **connection, data any) diag.Diagnostics {
	switch c := data.(type) {
	case nil:
		*to = nil
	case *connection:
		*to = c
	default:
		return diag.Diagnostics{diag.NewErrorDiagnostic("Unexpected provider data", fmt.Sprintf("Got %T. This is a bug in the provider.", data))}
	}
	return nil
}

// IdentitySchema is the same for every resource: a group of a job.
func (b *resourceBase) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identitySchema()
}

// ImportState takes <namespace>/<job>/<group> or the identity.
func (b *resourceBase) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importTarget(ctx, req, resp)
}
