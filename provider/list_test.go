package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// list validates a list's configuration and reads the list.
func (p protocol) list(request *tfprotov6.ListResourceRequest, config map[string]any) (results []tfprotov6.ListResourceResult) {
	p.t.Helper()
	server, ok := p.server.(tfprotov6.ListResourceServer)
	if !ok {
		p.t.Fatal("the provider's server knows no lists")
	}
	request.Config = p.dynamic(p.schemas.ListResourceSchemas[request.TypeName].ValueType(), config)
	valid, err := server.ValidateListResourceConfig(p.t.Context(), &tfprotov6.ValidateListResourceConfigRequest{TypeName: request.TypeName, Config: request.Config})
	if err != nil {
		p.t.Fatal(err)
	}
	p.healthy(valid.Diagnostics)
	stream, err := server.ListResource(p.t.Context(), request)
	if err != nil {
		p.t.Fatal(err)
	}
	return slices.Collect(stream.Results)
}

// namespaced is a job in a namespace.
func namespaced(namespace, jobspec string) string {
	return strings.Replace(jobspec, "{", fmt.Sprintf("{\n namespace = %q", namespace), 1)
}

// No CLI before Terraform 1.14 lists resources, so this speaks the protocol.
func TestLists(t *testing.T) {
	t.Parallel()
	const namespace = "adoptable"
	if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: namespace}, nil); err != nil {
		t.Fatal(err)
	}
	p := speak(t, agent.Address)
	for _, id := range []string{"b/shop", "a"} {
		p.apply("nomadscale_app", kept{}, map[string]any{
			"jobspec": namespaced(namespace, spec(id, "")), "group": "web", "autoscaling": map[string]any{"min_instances": 0, "max_instances": 4},
		})
	}
	for _, jobspec := range []string{
		spec("bare", ""), spec("bare-stopped", ""), strings.Replace(spec("bare-batch", ""), "{", "{\n type = \"batch\"", 1),
		spec("foreign", "scaling {\n max = 3\n policy {}\n }"),
	} {
		if strings.Contains(jobspec, "batch") {
			jobspec = strings.Replace(jobspec, "update {\n      max_parallel = 0\n    }", "", 1)
		}
		runByHand(t, namespaced(namespace, jobspec))
	}
	if _, _, err := agent.API.Jobs().Deregister("bare-stopped", false, &api.WriteOptions{Namespace: namespace}); err != nil {
		t.Fatal(err)
	}
	p.apply("nomadscale_override", kept{}, map[string]any{
		"namespace": namespace, "job_id": "a", "group": "web", "max_instances": 3, "duration": "1h", "by": "terraform",
	})
	here := map[string]any{"namespace": namespace}
	for _, c := range []struct {
		resource string
		config   map[string]any
		limit    int64
		want     []string
	}{
		{"nomadscale_app", here, 0, []string{"adoptable/a/web", "adoptable/b/shop/web"}},
		{"nomadscale_app", here, 1, []string{"adoptable/a/web"}},
		{"nomadscale_app", map[string]any{"namespace": "adoptable-nothing"}, 0, nil},
		{"nomadscale_app", map[string]any{"namespace": namespace, "without_policy": true}, 0, []string{"adoptable/bare/web"}},
		{"nomadscale_policy", here, 0, []string{"adoptable/a/web", "adoptable/b/shop/web"}},
		{"nomadscale_policy", here, 1, []string{"adoptable/a/web"}},
		{"nomadscale_override", here, 0, []string{"adoptable/a/web"}},
		{"nomadscale_override", map[string]any{"namespace": "adoptable-nothing"}, 0, nil},
	} {
		for _, full := range []bool{false, true} {
			results := p.list(&tfprotov6.ListResourceRequest{TypeName: c.resource, Limit: c.limit, IncludeResource: full}, c.config)
			var got []string
			for _, r := range results {
				p.healthy(r.Diagnostics)
				got = append(got, r.DisplayName)
				if id := p.named(c.resource, r.Identity); id != r.DisplayName {
					t.Errorf("%s has the identity %s", r.DisplayName, id)
				}
				switch {
				case full:
					p.mustBeAsImported(c.resource, r)
				case r.Resource != nil:
					t.Errorf("%s comes with its resource", r.DisplayName)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s with %v, at most %d: got %q, want %q", c.resource, c.config, c.limit, got, c.want)
			}
		}
	}
	// Without a namespace there are those of all, among them these.
	all := p.list(&tfprotov6.ListResourceRequest{TypeName: "nomadscale_app"}, nil)
	if !slices.ContainsFunc(all, func(r tfprotov6.ListResourceResult) bool { return r.DisplayName == "adoptable/a/web" }) {
		t.Errorf("the list of all namespaces lacks adoptable/a/web: %d results", len(all))
	}
}

// mustBeAsImported compares a listed resource with what importing it by its
// identity makes.
func (p protocol) mustBeAsImported(resource string, r tfprotov6.ListResourceResult) {
	p.t.Helper()
	imported, err := p.server.ImportResourceState(p.t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: resource, Identity: r.Identity})
	if err != nil {
		p.t.Fatal(err)
	}
	p.healthy(imported.Diagnostics)
	one := imported.ImportedResources[0]
	read := p.read(resource, kept{one.State, one.Identity, one.Private})
	want, err := read.state.Unmarshal(p.kind(resource))
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := r.Resource.Unmarshal(p.kind(resource))
	if err != nil {
		p.t.Fatal(err)
	}
	if differences, err := want.Diff(got); err != nil || len(differences) > 0 {
		p.t.Errorf("%s is not as importing makes it: %v %v", r.DisplayName, differences, err)
	}
}

// What is wrong is a result, so that the CLI shows it instead of an empty list.
func TestListsTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	unconfigured := protocol{t: t, server: providerserver.NewProtocol6(New("test")())()}
	unconfigured.schemas = speak(t, agent.Address).schemas
	if _, err := unconfigured.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config: unconfigured.dynamic(unconfigured.schemas.Provider.ValueType(), map[string]any{"address": tftypes.UnknownValue}),
	}); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		p      protocol
		config map[string]any
		says   string
	}{
		"unconfigured":               {unconfigured, nil, "Part of the provider's configuration is not known yet"},
		"unreachable":                {speak(t, "http://127.0.0.1:1"), nil, "Listing scaling policies"},
		"unreachable without policy": {speak(t, "http://127.0.0.1:1"), map[string]any{"without_policy": true}, "Listing jobs"},
	} {
		results := c.p.list(&tfprotov6.ListResourceRequest{TypeName: "nomadscale_app", IncludeResource: true}, c.config)
		if len(results) != 1 || len(results[0].Diagnostics) != 1 || !strings.Contains(results[0].Diagnostics[0].Detail, c.says) {
			t.Errorf("%s: %+v, want one result that says %q", what, results, c.says)
		}
	}
}
