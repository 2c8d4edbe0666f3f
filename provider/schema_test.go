package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func resourceSchemas(t *testing.T) map[string]schema.Schema {
	t.Helper()
	all := make(map[string]schema.Schema)
	for _, construct := range New("test")().Resources(t.Context()) {
		r := construct()
		var name resource.MetadataResponse
		r.Metadata(t.Context(), resource.MetadataRequest{ProviderTypeName: "nomadscale"}, &name)
		var s resource.SchemaResponse
		r.Schema(t.Context(), resource.SchemaRequest{}, &s)
		all[name.TypeName] = s.Schema
	}
	return all
}

func TestSchemasAreValid(t *testing.T) {
	t.Parallel()
	var resp provider.SchemaResponse
	New("test")().Schema(t.Context(), provider.SchemaRequest{}, &resp)
	if diags := resp.Schema.ValidateImplementation(t.Context()); diags.HasError() {
		t.Errorf("provider: %v", diags)
	}
	for name, s := range resourceSchemas(t) {
		if diags := s.ValidateImplementation(t.Context()); diags.HasError() {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

// The document has one source; the schema says what that says.
func TestSchemaFollowsTheDocument(t *testing.T) {
	t.Parallel()
	attributes := resourceSchemas(t)["nomadscale_app"].Attributes
	for _, key := range scaler.Keys() {
		f, ok := lookupField(key.Name)
		if !ok {
			if key.Name != "namespace" && key.Name != "job" && key.Name != "group" {
				t.Errorf("%s is in no attribute", key.Name)
			}
			continue
		}
		a := attributes[key.Name]
		if f.parent != "" {
			a = attributes[f.parent].(schema.SingleNestedAttribute).Attributes[key.Name]
		}
		if !strings.HasPrefix(a.GetMarkdownDescription(), key.Description) || !strings.Contains(a.GetMarkdownDescription(), markdown(key.Default)) {
			t.Errorf("%s: %q does not say %q and %q", key.Name, a.GetMarkdownDescription(), key.Description, key.Default)
		}
	}
}

// A document written by the provider reads back as the attributes that it was
// written from, whatever the metric.
func TestScalingModelRoundTrip(t *testing.T) {
	t.Parallel()
	for _, set := range []settings{
		{},
		{"metric": "concurrency", "min_instances": "0", "hosts": "a.example.com,b.example.com", "rate_limit": "0.5"},
		{"metric": "custom", "target_per_instance": "1000000", "source": "prometheus", "query": "sum(x)", "enabled": "false"},
		{"service_selection_mode": "hash", "hard_max_instances": "100", "scale_up_cooldown": "1h30m", "path_prefix": "/x"},
	} {
		block, err := set.block(someTarget)
		if err != nil {
			t.Fatalf("%v: %v", set, err)
		}
		m := newScalingModel(settingsOf(block), nil)
		read, unknown := m.settings()
		again, err := read.block(someTarget)
		if err != nil || len(unknown) > 0 {
			t.Fatalf("%v: %v, unknown: %v", set, err, unknown)
		}
		if !m.equal(newScalingModel(settingsOf(again), nil)) {
			t.Errorf("%v reads back as %v", set, read)
		}
	}
}

func TestValuesKeepTheirWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind         scaler.Kind
		before, live string
		kept         bool
	}{
		{scaler.Duration, "300", "5m", true},
		{scaler.Duration, "300s", "5m1s", false},
		{scaler.Integer, "1000000", "1e+06", true},
		{scaler.Number, "0.90", "0.9", true},
		{scaler.Number, "0.9", "0.8", false},
		{scaler.List, "A.example.com", "a.example.com", true},
		{scaler.List, "a.example.com", "a.example.com,b.example.com", false},
		{scaler.String, "/x", "/X", false},
	} {
		if kept := kinds[c.kind].same(c.before, c.live); kept != c.kept {
			t.Errorf("%s: %q against %q: kept %t, want %t", c.kind, c.before, c.live, kept, c.kept)
		}
	}
}
