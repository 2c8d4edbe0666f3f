package main

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// check demands that the blocks of a file that older CLIs do not know are as the
// schema of a type has them.
func (s schema) check(t *testing.T, file, text, of string) {
	t.Helper()
	checked := 0
	for block, spec := range map[string]func(of string) hcldec.Spec{
		"action": func(of string) hcldec.Spec {
			if action := s.ActionSchemas[of]; action != nil {
				return configured(t, action.Schema.Block)
			}
			return nil
		},
		"list": func(of string) hcldec.Spec {
			if list := s.ListResourceSchemas[of]; list != nil {
				return configured(t, list.Block, "limit", "include_resource")
			}
			return nil
		},
		"import": func(of string) hcldec.Spec {
			if identity := s.Identities[of]; identity != nil {
				return hcldec.ObjectSpec{
					"to":       &hcldec.AttrSpec{Name: "to", Type: cty.DynamicPseudoType, Required: true},
					"identity": &hcldec.AttrSpec{Name: "identity", Type: identityType(t, identity), Required: true},
				}
			}
			return nil
		},
	} {
		for _, found := range blocks(t, file, text, block) {
			if len(found.Labels) > 0 {
				of = found.Labels[0]
			}
			spec := spec(of)
			if spec == nil {
				t.Errorf("%s: the provider has no %s of %q", file, block, of)
				continue
			}
			checked++
			for _, config := range found.Body.Blocks {
				if block == "action" && config.Type == "config" {
					mustKnowKeysOf(t, config.Body, s.ActionSchemas[of].Schema.Block)
				}
			}
			// What other blocks declare is not known here.
			known := &hcl.EvalContext{Variables: make(map[string]cty.Value)}
			for _, variable := range hcldec.Variables(found.Body, spec) {
				known.Variables[variable.RootName()] = cty.DynamicVal
			}
			if _, diags := hcldec.Decode(found.Body, spec, known); diags.HasErrors() {
				t.Errorf("%s: %v", file, diags)
			}
		}
	}
	if checked == 0 {
		t.Errorf("%s has nothing to check", file)
	}
}

// configured is what a block with a config inside may have; arguments are those
// of its own in addition to those that all blocks have.
func configured(t *testing.T, config *tfprotov6.SchemaBlock, arguments ...string) hcldec.Spec {
	t.Helper()
	required := false
	for _, a := range config.Attributes {
		required = required || a.Required
	}
	spec := hcldec.ObjectSpec{"config": &hcldec.BlockSpec{TypeName: "config", Nested: specOf(t, config), Required: required}}
	for _, argument := range append(arguments, "provider", "count", "for_each") {
		spec[argument] = &hcldec.AttrSpec{Name: argument, Type: cty.DynamicPseudoType}
	}
	return spec
}

func specOf(t *testing.T, block *tfprotov6.SchemaBlock) hcldec.Spec {
	t.Helper()
	spec := make(hcldec.ObjectSpec)
	for _, a := range block.Attributes {
		if a.Required || a.Optional {
			spec[a.Name] = &hcldec.AttrSpec{Name: a.Name, Type: attributeType(t, a), Required: a.Required}
		}
	}
	for _, nested := range block.BlockTypes {
		spec[nested.TypeName] = &hcldec.BlockTupleSpec{TypeName: nested.TypeName, Nested: specOf(t, nested.Block), MinItems: int(nested.MinItems), MaxItems: int(nested.MaxItems)}
	}
	return spec
}

func attributeType(t *testing.T, a *tfprotov6.SchemaAttribute) cty.Type {
	t.Helper()
	if a.NestedType == nil {
		return ctyType(t, a.Type)
	}
	types := make(map[string]cty.Type)
	var optional []string
	for _, inner := range a.NestedType.Attributes {
		types[inner.Name] = attributeType(t, inner)
		if !inner.Required {
			optional = append(optional, inner.Name)
		}
	}
	object := cty.ObjectWithOptionalAttrs(types, optional)
	switch a.NestedType.Nesting {
	case tfprotov6.SchemaObjectNestingModeList:
		return cty.List(object)
	case tfprotov6.SchemaObjectNestingModeSet:
		return cty.Set(object)
	case tfprotov6.SchemaObjectNestingModeMap:
		return cty.Map(object)
	default:
		return object
	}
}

func identityType(t *testing.T, identity *tfprotov6.ResourceIdentitySchema) cty.Type {
	t.Helper()
	types := make(map[string]cty.Type)
	var optional []string
	for _, a := range identity.IdentityAttributes {
		types[a.Name] = ctyType(t, a.Type)
		if a.OptionalForImport {
			optional = append(optional, a.Name)
		}
	}
	return cty.ObjectWithOptionalAttrs(types, optional)
}

func ctyType(t *testing.T, of tftypes.Type) cty.Type {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	converted, err := ctyjson.UnmarshalType(text)
	if err != nil {
		t.Fatal(err)
	}
	return converted
}
