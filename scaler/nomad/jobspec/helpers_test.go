package jobspec_test

import (
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// policy parses a document for the group app of the job shop.
func policy(t *testing.T, document scaler.Document) scaler.Policy {
	t.Helper()
	whole := scaler.Document{"namespace": "default", "job": "shop", "group": "app"}
	for key, value := range document {
		whole[key] = value
	}
	p, err := scaler.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// labelled returns a labelled block as a rendered block has it.
func labelled(label string, body map[string]any) []any {
	return []any{map[string]any{label: []any{body}}}
}

// body returns the body of a block that labelled has made.
func body(block any, label string) map[string]any {
	return block.([]any)[0].(map[string]any)[label].([]any)[0].(map[string]any)
}
