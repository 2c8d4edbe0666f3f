package provider

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// nomadJob is the state of a nomad_job, as the Nomad provider writes it.
func nomadJob(id, namespace, jobspec string, groups ...string) string {
	var all []map[string]any
	for _, group := range groups {
		all = append(all, map[string]any{"count": 1, "meta": map[string]any{}, "name": group, "task": []any{}, "volumes": []any{}})
	}
	text, _ := json.Marshal(map[string]any{
		"id": id, "namespace": namespace, "jobspec": jobspec, "name": id, "task_groups": all,
		"allocation_ids": []any{}, "consul_token": nil, "datacenters": []any{"*"}, "deployment_id": "", "deployment_status": "",
		"deregister_on_destroy": true, "deregister_on_id_change": true, "detach": true, "hcl2": []any{}, "json": nil,
		"modify_index": "10", "policy_override": nil, "purge_on_destroy": nil, "read_allocation_ids": false, "region": "global",
		"rerun_if_dead": false, "status": "running", "timeouts": nil, "type": "service", "vault_token": nil,
	})
	return string(text)
}

// stateOf is a state file with a nomad_job.x.
func stateOf(attributes string) string {
	return fmt.Sprintf(`{"version": 4, "terraform_version": "1.8.0", "serial": 1, "lineage": "moved", "outputs": {}, "check_results": null, "resources": [{
  "mode": "managed", "type": "nomad_job", "name": "x", "provider": "provider[\"%s\"]",
  "instances": [{"schema_version": 0, "attributes": %s, "sensitive_attributes": []}]
}]}`, nomadProvider(), attributes)
}

// nomadProvider is where the CLI looks for the provider of nomad_job.
func nomadProvider() string {
	return cmp.Or(os.Getenv("TF_ACC_PROVIDER_HOST"), "registry.terraform.io") + "/hashicorp/nomad"
}

// moving is a workspace that has a nomad_job.x in its state, and moves it to the
// app a. Our provider stands in for the Nomad provider as well: the CLI wants it
// to be there, and does not ask it about a resource that moves away.
func moving(t *testing.T, state, config string) *workspace {
	t.Helper()
	w := workspaceFor(t)
	plugins := filepath.Join(w.dir, "plugins")
	override := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"nomadscale/nomadscale\" = %[1]q\n    %[2]q = %[1]q\n  }\n  direct {}\n}\n", plugins, nomadProvider())
	if err := errors.Join(
		os.Symlink("terraform-provider-nomadscale", filepath.Join(plugins, "terraform-provider-nomad")),
		os.WriteFile(filepath.Join(w.dir, "terraformrc"), []byte(override), 0o600),
		os.WriteFile(filepath.Join(w.dir, "terraform.tfstate"), []byte(state), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	w.configure(t, agent.Address, "moved {\n  from = nomad_job.x\n  to   = nomadscale_app.a\n}\n"+config)
	return w
}

// changesOf are what a plan by the CLI does with resources, each with the paths
// that it changes.
func changesOf(t *testing.T, w *workspace) map[string][]string {
	t.Helper()
	w.must(t, 0, "plan", "-out=saved")
	var plan struct {
		ResourceChanges []struct {
			Address string
			Change  struct {
				Actions       []string
				Before, After map[string]any
			}
		} `json:"resource_changes"`
	}
	show := w.start(t, "show", "-json", "saved")
	if err := show.Wait(); err != nil {
		t.Fatalf("%v: %s", err, show.out.String())
	}
	if err := json.Unmarshal(show.out.Bytes(), &plan); err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, r := range plan.ResourceChanges {
		paths := changes("", r.Change.Before, r.Change.After)
		slices.Sort(paths)
		all[strings.Join(r.Change.Actions, " and ")+" "+r.Address] = paths
	}
	return all
}

// A moved block takes a job over from the Nomad provider: the plan adds the
// policy to it and nothing else, and the job, its instances and its count stay.
func TestMoveFromNomadJob(t *testing.T) {
	t.Parallel()
	const id = "moved"
	jobspec := spec(id, "count = 2")
	runByHand(t, jobspec+"\n")
	purge(t, id)
	scale(t, id, 3)
	before := job(t, id)
	w := moving(t, stateOf(nomadJob(id, "default", jobspec+"\n", "web")), app("a", jobspec, `autoscaling = { max_instances = 4 }`))
	got, want := changesOf(t, w), []string{autoscaling, routing, serviceSelectionMode}
	if len(got) != 1 || !slices.Equal(got["update nomadscale_app.a"], want) {
		t.Errorf("the plan has %q, want an update of %q alone", got, want)
	}
	w.must(t, 0, "apply", "saved")
	after := job(t, id)
	if *after.CreateIndex != *before.CreateIndex || *after.TaskGroups[0].Count != 3 || after.TaskGroups[0].Scaling == nil {
		t.Errorf("the job was created at %d with %d instances, want %d with 3 and a policy", *after.CreateIndex, *after.TaskGroups[0].Count, *before.CreateIndex)
	}
	allocations, _, err := agent.API.Jobs().Allocations(id, true, nil)
	if err != nil || len(allocations) != 3 {
		t.Errorf("there were %d allocations, want the 3 of before the move: %v", len(allocations), err)
	}
	if got := changesOf(t, w); len(got["no-op nomadscale_app.a"]) > 0 || len(got) != 1 {
		t.Errorf("the next plan has %q, want nothing", got)
	}
}

// What a moved job must not say, the plan refuses with what is to be done.
func TestMoveOfAJobWithABlockOfItsOwn(t *testing.T) {
	t.Parallel()
	const id = "moved-scaling"
	jobspec := spec(id, "scaling {\n max = 3\n policy {}\n }")
	runByHand(t, jobspec+"\n")
	purge(t, id)
	w := moving(t, stateOf(nomadJob(id, "default", jobspec+"\n", "web")), app("a", jobspec, `autoscaling = {}`))
	if out := w.must(t, 1, "plan"); !strings.Contains(out, "has a scaling block of its own; remove it and write its settings in the policy") {
		t.Errorf("it does not say that the block is to be removed: %s", out)
	}
}

func TestMoveStateAtTheProtocol(t *testing.T) {
	t.Parallel()
	const id = "moved/in/protocol"
	other := strings.Replace(spec(id, ""), "group \"web\"", "group \"api\"", 1)
	both := strings.TrimSuffix(other, "}") + spec(id, "")[strings.Index(spec(id, ""), "group"):]
	runByHand(t, both)
	purge(t, id)
	created := *job(t, id).CreateIndex
	p := speak(t, agent.Address)
	move := func(provider, kind, state string) *tfprotov6.MoveResourceStateResponse {
		moved, err := p.server.MoveResourceState(t.Context(), &tfprotov6.MoveResourceStateRequest{
			SourceProviderAddress: provider, SourceTypeName: kind, SourceState: &tfprotov6.RawState{JSON: []byte(state)}, TargetTypeName: "nomadscale_app",
		})
		if err != nil {
			t.Fatal(err)
		}
		return moved
	}
	moved := move("registry.opentofu.org/hashicorp/nomad", "nomad_job", nomadJob(id, "", both, "api", "web"))
	p.healthy(moved.Diagnostics)
	if got := p.named("nomadscale_app", moved.TargetIdentity); got != "default/moved/in/protocol/api" {
		t.Errorf("the identity is %q", got)
	}
	// The configuration's group takes over in place, without a read too.
	config := map[string]any{"jobspec": both, "group": "web", "autoscaling": map[string]any{}}
	unread := kept{moved.TargetState, moved.TargetIdentity, moved.TargetPrivate}
	if planned := p.plan("nomadscale_app", unread, config); len(planned.RequiresReplace) > 0 {
		t.Errorf("it is replaced for %v", planned.RequiresReplace)
	}
	applied := p.apply("nomadscale_app", unread, config)
	if got := p.named("nomadscale_app", applied.identity); got != "default/moved/in/protocol/web" {
		t.Errorf("the identity is %q", got)
	}
	if now := job(t, id); *now.CreateIndex != created || now.TaskGroups[0].Scaling != nil || now.TaskGroups[1].Scaling == nil {
		t.Errorf("the job was created at %d, want %d and a policy for its group web", *now.CreateIndex, created)
	}
	for what, refused := range map[string]*tfprotov6.MoveResourceStateResponse{
		"another type":     move(nomadProvider(), "nomad_variable", nomadJob(id, "", both, "web")),
		"another provider": move("registry.terraform.io/example/nomad-fork", "nomad_job", nomadJob(id, "", both, "web")),
		"no groups":        move(nomadProvider(), "nomad_job", nomadJob(id, "", both)),
	} {
		if len(refused.Diagnostics) != 1 || refused.Diagnostics[0].Severity != tfprotov6.DiagnosticSeverityError {
			t.Errorf("%s: %+v, want an error", what, refused.Diagnostics)
		}
	}
}
