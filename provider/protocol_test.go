package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// protocol speaks to the provider's server as a CLI does. It is for what the
// test framework does not show, as warnings, and for what needs a newer CLI, as
// actions and lists.
type protocol struct {
	t          testing.TB
	server     tfprotov6.ProviderServer
	schemas    *tfprotov6.GetProviderSchemaResponse
	identities *tfprotov6.GetResourceIdentitySchemasResponse
}

// kept is what a CLI keeps of a resource; nil before there is one.
type kept struct {
	state    *tfprotov6.DynamicValue
	identity *tfprotov6.ResourceIdentityData
	private  []byte
}

// speak configures a provider with the address of a Nomad.
func speak(t testing.TB, address string) protocol {
	t.Helper()
	p := protocol{t: t, server: providerserver.NewProtocol6(New("test")())()}
	var err error
	if p.schemas, err = p.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	p.healthy(p.schemas.Diagnostics)
	if p.identities, err = p.server.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{}); err != nil {
		t.Fatal(err)
	}
	p.healthy(p.identities.Diagnostics)
	configured, err := p.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config: p.dynamic(p.schemas.Provider.ValueType(), map[string]any{"address": address}),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.healthy(configured.Diagnostics)
	return p
}

// healthy fails the test for errors.
func (p protocol) healthy(diagnostics []*tfprotov6.Diagnostic) {
	p.t.Helper()
	for _, d := range diagnostics {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			p.t.Fatalf("%s: %s: %s", d.Attribute, d.Summary, d.Detail)
		}
	}
}

// dynamic encodes a value of a type, with everything null that is not given.
func (p protocol) dynamic(kind tftypes.Type, value any) *tfprotov6.DynamicValue {
	p.t.Helper()
	encoded, err := tfprotov6.NewDynamicValue(kind, terraformValue(kind, value))
	if err != nil {
		p.t.Fatal(err)
	}
	return &encoded
}

func terraformValue(kind tftypes.Type, value any) tftypes.Value {
	object, ok := kind.(tftypes.Object)
	given, isMap := value.(map[string]any)
	if !ok || !isMap {
		return tftypes.NewValue(kind, value)
	}
	attributes := make(map[string]tftypes.Value, len(object.AttributeTypes))
	for name, inner := range object.AttributeTypes {
		attributes[name] = terraformValue(inner, given[name])
	}
	return tftypes.NewValue(kind, attributes)
}

// decode is the other way: an object of strings, numbers and the like as a map.
func (p protocol) decode(kind tftypes.Type, value *tfprotov6.DynamicValue) map[string]tftypes.Value {
	p.t.Helper()
	decoded, err := value.Unmarshal(kind)
	if err != nil {
		p.t.Fatal(err)
	}
	var attributes map[string]tftypes.Value
	if err := decoded.As(&attributes); err != nil {
		p.t.Fatal(err)
	}
	return attributes
}

// text is a string attribute; "" when it is null.
func text(t testing.TB, value tftypes.Value) string {
	t.Helper()
	var s *string
	if err := value.As(&s); err != nil {
		t.Fatal(err)
	}
	if s == nil {
		return ""
	}
	return *s
}

// kind is the type of a resource's values.
func (p protocol) kind(resource string) tftypes.Type {
	return p.schemas.ResourceSchemas[resource].ValueType()
}

// named is what an identity says, as namespace/job_id/group; "" is null.
func (p protocol) named(resource string, identity *tfprotov6.ResourceIdentityData) string {
	p.t.Helper()
	if identity == nil {
		return ""
	}
	values := p.decode(p.identities.IdentitySchemas[resource].ValueType(), identity.IdentityData)
	if len(values) == 0 {
		return ""
	}
	return text(p.t, values["namespace"]) + "/" + text(p.t, values["job_id"]) + "/" + text(p.t, values["group"])
}

// identity makes one.
func (p protocol) identity(resource, namespace, job, group string) *tfprotov6.ResourceIdentityData {
	p.t.Helper()
	kind := p.identities.IdentitySchemas[resource].ValueType()
	return &tfprotov6.ResourceIdentityData{IdentityData: p.dynamic(kind, map[string]any{"namespace": namespace, "job_id": job, "group": group})}
}

// plan plans a resource in the place of one that is kept.
func (p protocol) plan(resource string, prior kept, config map[string]any) *tfprotov6.PlanResourceChangeResponse {
	p.t.Helper()
	declared := p.dynamic(p.kind(resource), config)
	if prior.state == nil {
		prior.state = p.dynamic(p.kind(resource), nil)
	}
	planned, err := p.server.PlanResourceChange(p.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: resource, PriorState: prior.state, PriorIdentity: prior.identity, PriorPrivate: prior.private,
		ProposedNewState: declared, Config: declared,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.healthy(planned.Diagnostics)
	return planned
}

// apply plans a resource and carries the plan out.
func (p protocol) apply(resource string, prior kept, config map[string]any) kept {
	p.t.Helper()
	planned := p.plan(resource, prior, config)
	if prior.state == nil {
		prior.state = p.dynamic(p.kind(resource), nil)
	}
	applied, err := p.server.ApplyResourceChange(p.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resource, PriorState: prior.state, Config: p.dynamic(p.kind(resource), config),
		PlannedState: planned.PlannedState, PlannedIdentity: planned.PlannedIdentity, PlannedPrivate: planned.PlannedPrivate,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.healthy(applied.Diagnostics)
	return kept{applied.NewState, applied.NewIdentity, applied.Private}
}

// read refreshes a resource.
func (p protocol) read(resource string, before kept) kept {
	p.t.Helper()
	read, err := p.server.ReadResource(p.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: resource, CurrentState: before.state, CurrentIdentity: before.identity, Private: before.private,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.healthy(read.Diagnostics)
	return kept{read.NewState, read.NewIdentity, read.Private}
}
