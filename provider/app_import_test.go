package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestImport(t *testing.T) {
	t.Parallel()
	const id = "team/imported"
	config := app("a", spec(id, ""), `autoscaling = { max_instances = 3 }
	  routing = { hosts = ["a.example.com"] }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateKind: resource.ImportBlockWithID},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateId: "default/team/imported/api", ExpectError: said(`has no group "api"`)},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateId: "imported", ExpectError: said(`"imported" is not <namespace>/<job>/<group>`)},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateId: "default/nothing/web", ExpectError: said("Cannot import non-existent remote object")},
	)
}

// adopting is a configuration that imports a job.
func adopting(id, config string) string {
	return "import {\n  to = " + a + "\n  id = \"" + id + "\"\n}\n" + config
}

func TestImportOfAJobWithoutPolicy(t *testing.T) {
	t.Parallel()
	const id = "adopted"
	runByHand(t, spec(id, "count = 2")+"\n")
	apply(t, resource.TestStep{
		Config:           adopting("default/adopted/web", app("a", spec(id, "count = 2"), `autoscaling = {}`)),
		ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": {autoscaling, routing, serviceSelectionMode}}}}},
		Check:            counts(id, 2),
	})
}

// A job that was registered without its source is imported as JSON, without the
// scaling block that the policy stands for.
func TestImportWithoutSource(t *testing.T) {
	t.Parallel()
	const id = "sourceless"
	j, err := agent.API.Jobs().ParseHCL(spec(id, ""), true)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := scaler.Parse(scaler.Document{"namespace": "default", "job": id, "group": "web"})
	if err != nil {
		t.Fatal(err)
	}
	j.TaskGroups[0].Scaling = jobspec.NewBlock(policy).Render()
	if _, _, err := agent.API.Jobs().Register(j, nil); err != nil {
		t.Fatal(err)
	}
	source, err := agent.Client.Source(t.Context(), job(t, id), "web")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("resource \"nomadscale_app\" \"a\" {\n  group       = \"web\"\n  autoscaling = {}\n  jobspec     = %q\n}\n", source)
	apply(t,
		resource.TestStep{Config: adopting("default/sourceless/web", config), ConfigPlanChecks: action(plancheck.ResourceActionNoop)},
		resource.TestStep{Config: strings.Replace(config, "3600", "1800", 1), ConfigPlanChecks: action(plancheck.ResourceActionUpdate)},
	)
}
