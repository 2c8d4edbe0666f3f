package main

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Every type, every function and every attribute, however deep, is described by
// a sentence.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	s := served(t)
	mustDescribeBlock(t, "provider", s.Provider.Block)
	for _, kind := range []struct {
		name  string
		types map[string]*tfprotov6.Schema
	}{
		{"resource", s.ResourceSchemas},
		{"data", s.DataSourceSchemas},
		{"ephemeral", s.EphemeralResourceSchemas},
		{"list", s.ListResourceSchemas},
	} {
		for name, one := range kind.types {
			mustDescribeBlock(t, kind.name+"."+name, one.Block)
		}
	}
	for name, action := range s.ActionSchemas {
		mustDescribeBlock(t, "action."+name, action.Schema.Block)
	}
	for name, identity := range s.Identities {
		for _, a := range identity.IdentityAttributes {
			mustBeSentence(t, "identity."+name+"."+a.Name, a.Description)
		}
	}
	for name, f := range s.Functions {
		if f.Summary == "" {
			t.Errorf("%s has no summary", name)
		}
		mustBeSentence(t, name, f.Description)
		for _, p := range append(f.Parameters, f.VariadicParameter) {
			if p != nil {
				mustBeSentence(t, name+"."+p.Name, p.Description)
			}
		}
	}
}

func mustDescribeBlock(t *testing.T, name string, block *tfprotov6.SchemaBlock) {
	t.Helper()
	mustBeSentence(t, name, block.Description)
	mustDescribeAttributes(t, name, block.Attributes)
	for _, nested := range block.BlockTypes {
		mustDescribeBlock(t, name+"."+nested.TypeName, nested.Block)
	}
}

func mustDescribeAttributes(t *testing.T, parent string, attributes []*tfprotov6.SchemaAttribute) {
	t.Helper()
	for _, a := range attributes {
		name := parent + "." + a.Name
		mustBeSentence(t, name, a.Description)
		if a.NestedType != nil {
			mustDescribeAttributes(t, name, a.NestedType.Attributes)
		} else if hasObject(a.Type) {
			t.Errorf("%s: its type is %s, in which nothing can be described: make it a nested attribute", name, a.Type)
		}
	}
}

func mustBeSentence(t *testing.T, name, text string) {
	t.Helper()
	if !strings.HasSuffix(text, ".") {
		t.Errorf("%s: its description is not a sentence: %q", name, text)
	}
}

// hasObject reports whether a type is an object, or a collection of them.
func hasObject(of tftypes.Type) bool {
	switch of := of.(type) {
	case tftypes.Object:
		return true
	case tftypes.List:
		return hasObject(of.ElementType)
	case tftypes.Set:
		return hasObject(of.ElementType)
	case tftypes.Map:
		return hasObject(of.ElementType)
	}
	return false
}
