package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// purge removes a job when the test ends.
func purge(t *testing.T, id string) {
	t.Helper()
	t.Cleanup(func() {
		if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
			t.Error(err)
		}
	})
}

// An app keeps its identity through its life: created, changed, moved to another
// group, read, and gone. A CLI before 1.12 does not pass on identities, so this
// speaks the protocol.
func TestIdentityThroughLife(t *testing.T) {
	t.Parallel()
	const app, id = "nomadscale_app", "identified"
	other := strings.Replace(spec(id, ""), "group \"web\"", "group \"api\"", 1)
	both := strings.TrimSuffix(spec(id, ""), "}") + other[strings.Index(other, "group"):]
	config := func(group string, most int) map[string]any {
		return map[string]any{"jobspec": both, "group": group, "autoscaling": map[string]any{"max_instances": most}}
	}
	p := speak(t, agent.Address)
	expect := func(what, want string, k kept) {
		t.Helper()
		if got := p.named(app, k.identity); got != want {
			t.Errorf("%s: the identity is %q, want %q", what, got, want)
		}
	}
	created := p.apply(app, kept{}, config("web", 3))
	expect("created", "default/identified/web", created)
	expect("read", "default/identified/web", p.read(app, created))
	// A state of before identities has none.
	older := kept{state: created.state, private: created.private}
	expect("read for the first time", "default/identified/web", p.read(app, older))
	expect("changed without being read", "default/identified/web", p.apply(app, older, config("web", 4)))
	detached := config("web", 4)
	detached["detach"] = true
	expect("changed without telling Nomad", "default/identified/web", p.apply(app, p.read(app, older), detached))
	moved := p.apply(app, p.read(app, created), config("api", 4))
	expect("another group", "default/identified/api", moved)
	expect("read again", "default/identified/api", p.read(app, moved))
	if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
		t.Fatal(err)
	}
	// Without an identity in the state, too, a job that is gone leaves it.
	for _, k := range []kept{moved, {state: moved.state, private: moved.private}} {
		if gone, err := p.read(app, k).state.IsNull(); err != nil || !gone {
			t.Errorf("a job that is gone stays in the state: %v", err)
		}
	}
}

func TestPolicyIdentityThroughLife(t *testing.T) {
	t.Parallel()
	const policy, id = "nomadscale_policy", "identified-policy"
	const want = "default/" + id + "/web"
	runByHand(t, spec(id, ""))
	p := speak(t, agent.Address)
	config := func(most int) map[string]any {
		return map[string]any{"job_id": id, "group": "web", "autoscaling": map[string]any{"max_instances": most}}
	}
	attached := p.apply(policy, kept{}, config(3))
	older := kept{state: attached.state, private: attached.private}
	detached := config(4)
	detached["detach"] = true
	changed := p.apply(policy, older, config(4))
	for what, k := range map[string]kept{
		"attached": attached, "read": p.read(policy, attached), "read for the first time": p.read(policy, older),
		"changed": changed, "changed without telling Nomad": p.apply(policy, changed, detached),
	} {
		if got := p.named(policy, k.identity); got != want {
			t.Errorf("%s: the identity is %q, want %q", what, got, want)
		}
	}
	if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
		t.Fatal(err)
	}
	if gone, err := p.read(policy, older).state.IsNull(); err != nil || !gone {
		t.Errorf("the policy of a job that is gone stays in the state: %v", err)
	}
}

func TestImportByIdentityAtTheProtocol(t *testing.T) {
	t.Parallel()
	const id = "imported/by/identity"
	p := speak(t, agent.Address)
	p.apply("nomadscale_app", kept{}, map[string]any{"jobspec": spec(id, ""), "group": "web", "autoscaling": map[string]any{}})
	purge(t, id)
	imported := func(kind string, request *tfprotov6.ImportResourceStateRequest) *tfprotov6.ImportResourceStateResponse {
		request.TypeName = kind
		response, err := p.server.ImportResourceState(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	for _, kind := range []string{"nomadscale_app", "nomadscale_policy"} {
		for what, request := range map[string]*tfprotov6.ImportResourceStateRequest{
			"by identity": {Identity: p.identity(kind, "default", id, "web")},
			"by ID":       {ID: "default/" + id + "/web"},
		} {
			response := imported(kind, request)
			p.healthy(response.Diagnostics)
			if len(response.ImportedResources) != 1 {
				t.Fatalf("%s %s: %d resources", kind, what, len(response.ImportedResources))
			}
			r := response.ImportedResources[0]
			read := p.read(kind, kept{r.State, r.Identity, r.Private})
			if got := p.named(kind, read.identity); got != "default/"+id+"/web" {
				t.Errorf("%s %s: the identity is %q", kind, what, got)
			}
			if got := text(t, p.decode(p.kind(kind), read.state)["id"]); got != "default/"+id+"/web" {
				t.Errorf("%s %s: the id is %q", kind, what, got)
			}
		}
		refused := imported(kind, &tfprotov6.ImportResourceStateRequest{Identity: p.identity(kind, "default", id, "")})
		if len(refused.Diagnostics) != 1 || !strings.Contains(refused.Diagnostics[0].Detail, "group is empty") {
			t.Errorf("%s without a group: %+v", kind, refused.Diagnostics)
		}
	}
}

// The CLIs that know of identities import by them, and take one that changes with
// the group.
func TestImportByIdentity(t *testing.T) {
	t.Parallel()
	const id = "imported-by-identity"
	other := strings.Replace(spec(id, ""), "group \"web\"", "group \"api\"", 1)
	both := strings.TrimSuffix(spec(id, ""), "}") + other[strings.Index(other, "group"):]
	config := app("a", both, `autoscaling = { max_instances = 3 }`)
	identified := func(group string) []statecheck.StateCheck {
		return []statecheck.StateCheck{statecheck.ExpectIdentity(a, map[string]knownvalue.Check{
			"namespace": knownvalue.StringExact("default"), "job_id": knownvalue.StringExact(id), "group": knownvalue.StringExact(group),
		})}
	}
	resource.UnitTest(t, resource.TestCase{
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_12_0)},
		ProtoV6ProviderFactories: servers(),
		Steps: []resource.TestStep{
			{Config: configured(config), ConfigStateChecks: identified("web")},
			{ResourceName: a, ImportState: true, ImportStateKind: resource.ImportBlockWithResourceIdentity},
			{
				Config:            configured(strings.Replace(config, "group   = \"web\"", "group   = \"api\"", 1)),
				ConfigPlanChecks:  resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(a, plancheck.ResourceActionUpdate)}, PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
				ConfigStateChecks: identified("api"),
			},
			{ResourceName: a, ImportState: true, ImportStateKind: resource.ImportBlockWithResourceIdentity},
		},
	})
}

func TestPolicyImportByIdentity(t *testing.T) {
	t.Parallel()
	const id = "imported-policy-by-identity"
	resource.UnitTest(t, resource.TestCase{
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_12_0)},
		ProtoV6ProviderFactories: servers(),
		Steps: []resource.TestStep{
			{
				PreConfig: func() { runByHand(t, spec(id, "")) },
				Config:    configured("resource \"nomadscale_policy\" \"p\" {\n  job_id      = \"" + id + "\"\n  group       = \"web\"\n  autoscaling = {}\n}\n"),
			},
			{ResourceName: "nomadscale_policy.p", ImportState: true, ImportStateKind: resource.ImportBlockWithResourceIdentity},
		},
	})
}
