package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/nomadscale/terraform-provider-nomadscale/provider"
)

// name is the provider's, as in the names of its types.
const name = "nomadscale"

// schema is all that the provider serves, by the name of each type.
type schema struct {
	*tfprotov6.GetProviderSchemaResponse
	Identities map[string]*tfprotov6.ResourceIdentitySchema
}

// readSchema asks the provider's server, as a CLI does.
func readSchema(ctx context.Context) (schema, error) {
	server, err := providerserver.NewProtocol6WithError(provider.New("docs")())()
	if err != nil {
		return schema{}, fmt.Errorf("serving the provider: %w", err)
	}
	types, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return schema{}, fmt.Errorf("reading the schema: %w", err)
	}
	identities, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return schema{}, fmt.Errorf("reading the identities: %w", err)
	}
	for _, d := range append(types.Diagnostics, identities.Diagnostics...) {
		err = errors.Join(err, fmt.Errorf("reading the schema: %s: %s", d.Summary, d.Detail))
	}
	return schema{types, identities.IdentitySchemas}, err
}

// object is one of JSON's.
type object map[string]any

// asCLI is the schema as "terraform providers schema -json" of a CLI that knows
// every kind of type writes it, but for the name, which tfplugindocs wants short.
func (s schema) asCLI() object {
	actions := make(object)
	for name, a := range s.ActionSchemas {
		actions[name] = schemaOf(a.Schema)
	}
	return object{
		"format_version": "1.0",
		"provider_schemas": object{name: object{
			"provider":                   schemaOf(s.Provider),
			"resource_schemas":           each(s.ResourceSchemas, schemaOf),
			"data_source_schemas":        each(s.DataSourceSchemas, schemaOf),
			"ephemeral_resource_schemas": each(s.EphemeralResourceSchemas, schemaOf),
			"list_resource_schemas":      each(s.ListResourceSchemas, schemaOf),
			"action_schemas":             actions,
			"functions":                  each(s.Functions, functionOf),
			"resource_identity_schemas":  each(s.Identities, identityOf),
		}},
	}
}

// lower is the word of a nesting mode or of a kind of description.
func lower(word fmt.Stringer) string { return strings.ToLower(word.String()) }

func each[T any](all map[string]T, convert func(T) object) object {
	converted := make(object)
	for name, one := range all {
		converted[name] = convert(one)
	}
	return converted
}

func schemaOf(s *tfprotov6.Schema) object {
	return object{"version": s.Version, "block": blockOf(s.Block)}
}

func blockOf(b *tfprotov6.SchemaBlock) object {
	blocks := make(object)
	for _, nested := range b.BlockTypes {
		blocks[nested.TypeName] = object{
			"nesting_mode": lower(nested.Nesting), "block": blockOf(nested.Block),
			"min_items": nested.MinItems, "max_items": nested.MaxItems,
		}
	}
	return object{
		"attributes": attributesOf(b.Attributes), "block_types": blocks,
		"description": b.Description, "description_kind": lower(b.DescriptionKind), "deprecated": b.Deprecated,
	}
}

func attributesOf(all []*tfprotov6.SchemaAttribute) object {
	attributes := make(object)
	for _, a := range all {
		attribute := object{
			"description": a.Description, "description_kind": lower(a.DescriptionKind), "deprecated": a.Deprecated,
			"required": a.Required, "optional": a.Optional, "computed": a.Computed,
			"sensitive": a.Sensitive, "write_only": a.WriteOnly,
		}
		if a.NestedType != nil {
			attribute["nested_type"] = object{"attributes": attributesOf(a.NestedType.Attributes), "nesting_mode": lower(a.NestedType.Nesting)}
		} else {
			attribute["type"] = a.Type
		}
		attributes[a.Name] = attribute
	}
	return attributes
}

func identityOf(s *tfprotov6.ResourceIdentitySchema) object {
	attributes := make(object)
	for _, a := range s.IdentityAttributes {
		attributes[a.Name] = object{
			"type": a.Type, "description": a.Description,
			"required_for_import": a.RequiredForImport, "optional_for_import": a.OptionalForImport,
		}
	}
	return object{"version": s.Version, "attributes": attributes}
}

func functionOf(f *tfprotov6.Function) object {
	parameter := func(p *tfprotov6.FunctionParameter) object {
		return object{"name": p.Name, "description": p.Description, "is_nullable": p.AllowNullValue, "type": p.Type}
	}
	parameters := make([]object, 0, len(f.Parameters))
	for _, p := range f.Parameters {
		parameters = append(parameters, parameter(p))
	}
	function := object{
		"summary": f.Summary, "description": f.Description, "deprecation_message": f.DeprecationMessage,
		"return_type": f.Return.Type, "parameters": parameters,
	}
	if f.VariadicParameter != nil {
		function["variadic_parameter"] = parameter(f.VariadicParameter)
	}
	return function
}
