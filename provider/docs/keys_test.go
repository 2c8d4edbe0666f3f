package main

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// mustKnowKeys demands that a configuration's nested attributes have no keys but
// the schema's: the CLI drops others without a word.
func (s schema) mustKnowKeys(t *testing.T, file, text string) {
	t.Helper()
	for block, schemas := range map[string]map[string]*tfprotov6.Schema{"resource": s.ResourceSchemas, "data": s.DataSourceSchemas} {
		for _, found := range blocks(t, file, text, block) {
			if schema := schemas[found.Labels[0]]; schema != nil {
				mustKnowKeysOf(t, found.Body, schema.Block)
			}
		}
	}
}

func mustKnowKeysOf(t *testing.T, body *hclsyntax.Body, block *tfprotov6.SchemaBlock) {
	t.Helper()
	for _, a := range block.Attributes {
		if set := body.Attributes[a.Name]; set != nil && a.NestedType != nil {
			mustKnowKeysIn(t, set.Expr, a.NestedType)
		}
	}
}

func mustKnowKeysIn(t *testing.T, value hclsyntax.Expression, object *tfprotov6.SchemaObject) {
	t.Helper()
	switch value := value.(type) {
	case *hclsyntax.TupleConsExpr:
		for _, element := range value.Exprs {
			mustKnowKeysIn(t, element, object)
		}
	case *hclsyntax.ObjectConsExpr:
		known := make(map[string]*tfprotov6.SchemaAttribute)
		for _, a := range object.Attributes {
			known[a.Name] = a
		}
		for _, item := range value.Items {
			if object.Nesting == tfprotov6.SchemaObjectNestingModeMap {
				mustKnowKeysIn(t, item.ValueExpr, &tfprotov6.SchemaObject{Attributes: object.Attributes})
				continue
			}
			key := hcl.ExprAsKeyword(item.KeyExpr)
			a := known[key]
			switch {
			case a == nil:
				t.Errorf("%s: there is no attribute %q", item.KeyExpr.Range(), key)
			case a.NestedType != nil:
				mustKnowKeysIn(t, item.ValueExpr, a.NestedType)
			}
		}
	}
}
