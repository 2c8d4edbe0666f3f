package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

func TestPolicyImport(t *testing.T) {
	t.Parallel()
	const id, none = "team/policy-imported", "policy-none"
	runByHand(t, spec(id, "count = 1"))
	runByHand(t, spec(none, "count = 1\n"+another))
	config := policy("a", id, `autoscaling = { max_instances = 3 }
	  routing = { hosts = ["a.example.com"] }`)
	refused := func(id, says string) resource.TestStep {
		return resource.TestStep{ResourceName: p, ImportState: true, ImportStateId: id, ExpectError: said(says)}
	}
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{ResourceName: p, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ResourceName: p, ImportState: true, ImportStateKind: resource.ImportBlockWithID},
		refused("default/team/policy-imported/api", `has no group "api"; its groups are web`),
		refused("policy-imported", `"policy-imported" is not <namespace>/<job>/<group>`),
		refused("default/nothing/web", "Cannot import non-existent remote object"),
		refused("default/policy-none/web", `Group web of job policy-none in namespace default has no scaling block with the strategy "nomadscale", so there is nothing to import.`),
	)
}

// A policy that was written by hand is taken over as it is: the plan after it is
// empty. When it is destroyed, nothing is known to put back.
func TestPolicyImportOfOneByHand(t *testing.T) {
	t.Parallel()
	const id = "policy-by-hand-imported"
	runByHand(t, spec(id, `count = 2
	    scaling {
	      min = 1
	      max = 3
	      policy {
	        cooldown = "2m"
	        check "requests" {
	          source = "nomadscale"
	          query  = "requests_per_minute default/policy-by-hand-imported/web"
	          strategy "nomadscale" {
	            namespace     = "default"
	            job           = "policy-by-hand-imported"
	            group         = "web"
	            max_instances = 3
	          }
	        }
	      }
	    }`))
	adopted := "import {\n  to = " + p + "\n  id = \"default/" + id + "/web\"\n}\n"
	applyAndDestroy(t, takenOut(id),
		resource.TestStep{
			Config:           adopted + policy("a", id, `autoscaling = { max_instances = 3 }`),
			ConfigPlanChecks: acts(plancheck.ResourceActionNoop),
			Check:            counts(id, 2),
		},
		resource.TestStep{Config: policy("a", id, `autoscaling = { max_instances = 4 }`), Check: bounded(id, 1, 4)},
	)
}
