package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Every cause that is declared has a status.
func TestCausesHaveAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	causes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Cause" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		causes++
		if status := api.Cause(value).Status(); status < 400 {
			t.Errorf("%s has the status %d", value, status)
		}
		return true
	})
	if causes < 19 {
		t.Errorf("%d causes were found", causes)
	}
}
