package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// A job or a group that cannot scale is refused when it is planned.
func TestJobsThatCannotHaveAPolicy(t *testing.T) {
	t.Parallel()
	typed := func(id, kind string) string {
		unbatched := strings.NewReplacer("update {\n      max_parallel = 0\n    }", "", `group "web"`, "type = \""+kind+"\"\n  group \"web\"")
		return unbatched.Replace(spec(id, ""))
	}
	for id, c := range map[string]struct{ jobspec, path, says string }{
		"policy-system":   {typed("policy-system", "system"), "job_id", `runs once on every node and has no count to scale: use the type "service"`},
		"policy-sysbatch": {typed("policy-sysbatch", "sysbatch"), "job_id", `has no count to scale`},
		"policy-batch":    {typed("policy-batch", "batch"), "job_id", `use the type "service"`},
		"policy-no-group": {strings.Replace(spec("policy-no-group", "count = 0"), `group "web"`, `group "api"`, 1), "group", `job policy-no-group has no group "web"; its groups are api`},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			runByHand(t, c.jobspec)
			apply(t, resource.TestStep{
				Config: policy("a", id, `autoscaling = {}`), PlanOnly: true,
				ExpectError: said(c.says),
			}, resource.TestStep{
				Config: policy("a", id, `autoscaling = {}`), PlanOnly: true,
				ExpectError: said("Invalid " + c.path),
			})
		})
	}
}

// later is a value that is not known before the apply.
func later(name, value string) string {
	return fmt.Sprintf("resource \"terraform_data\" %q {\n  input = %q\n}\n", name, value)
}

// What is not known yet is planned as unknown, and a job that the same run
// creates is not missed.
func TestPolicyOfAJobThatTheSameRunCreates(t *testing.T) {
	t.Parallel()
	const id = "policy-same-run"
	file := filepath.Join(t.TempDir(), "job.nomad.hcl")
	if err := os.WriteFile(file, []byte(spec(id, "count = 1")), 0o600); err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("%s job run -detach -address=%s %s", nomadtest.Tool(t, "nomad"), agent.Address, file)
	config := fmt.Sprintf("resource \"terraform_data\" \"owner\" {\n  input = %q\n  provisioner \"local-exec\" {\n    command = %q\n  }\n}\n", id, command)
	known := strings.Replace(policy("a", id, `autoscaling = {}`), "autoscaling", "depends_on = [terraform_data.owner]\nautoscaling", 1)
	apply(t,
		resource.TestStep{
			Config: config + strings.Replace(known, `"`+id+`"`, "terraform_data.owner.output", 1), PlanOnly: true, ExpectNonEmptyPlan: true,
		},
		resource.TestStep{
			Config: config + known,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectKnownValue(p, tfjsonpath.New("id"), knownvalue.StringExact("default/policy-same-run/web")),
			}},
			Check: bounded(id, 1, 10),
		},
	)
}

func TestUnknownTargetOfAPolicy(t *testing.T) {
	t.Parallel()
	const id = "policy-unknown"
	runByHand(t, spec(id, "count = 0"))
	config := later("job", id) + later("namespace", "default") + strings.Replace(
		policy("a", "JOB", "namespace = terraform_data.namespace.output\nautoscaling = { min_instances = 0 }"), `"JOB"`, "terraform_data.job.output", 1)
	apply(t,
		resource.TestStep{
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(p, tfjsonpath.New("id")),
				plancheck.ExpectUnknownValue(p, tfjsonpath.New("job_id")),
				plancheck.ExpectUnknownValue(p, tfjsonpath.New("namespace")),
				plancheck.ExpectUnknownValue(p, at(autoscaling, "query")),
				plancheck.ExpectKnownValue(p, at(autoscaling, "max_instances"), knownvalue.Int64Exact(10)),
			}},
			ConfigStateChecks: keeps(tfjsonpath.New("id"), knownvalue.StringExact("default/policy-unknown/web")),
		},
	)
}

func TestUnknownProviderOfAPolicy(t *testing.T) {
	t.Parallel()
	const id = "policy-later"
	runByHand(t, spec(id, "count = 0"))
	apply(t, resource.TestStep{
		Config: later("cluster", agent.Address) + "provider \"nomadscale\" {\n  address = terraform_data.cluster.output\n}\n" + policy("a", id, `autoscaling = { min_instances = 0 }`),
		ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
			plancheck.ExpectUnknownValue(p, tfjsonpath.New("namespace")),
			plancheck.ExpectKnownValue(p, at(autoscaling, "max_instances"), knownvalue.Int64Exact(10)),
		}},
		ConfigStateChecks: keeps(tfjsonpath.New("namespace"), knownvalue.StringExact("default")),
	})
}

// Another job, group or namespace moves the policy: the old place is as it was.
func TestAnotherTargetReplacesThePolicy(t *testing.T) {
	t.Parallel()
	const from, to = "policy-from", "policy-to"
	namespace(t, "elsewhere")
	runByHand(t, spec(from, "count = 1"))
	runByHand(t, two(to, "count = 1"))
	runByHand(t, strings.Replace(spec(to, "count = 1"), `group "web"`, "namespace = \"elsewhere\"\n  group \"web\"", 1))
	config := policy("a", to, `autoscaling = {}`)
	apply(t,
		resource.TestStep{Config: policy("a", from, `autoscaling = {}`), Check: bounded(from, 1, 10)},
		resource.TestStep{
			Config: config, ConfigPlanChecks: acts(plancheck.ResourceActionReplace),
			Check: resource.ComposeAggregateTestCheckFunc(takenOut(from), bounded(to, 1, 10)),
		},
		resource.TestStep{
			Config: strings.Replace(config, `group  = "web"`, `group  = "other"`, 1), ConfigPlanChecks: acts(plancheck.ResourceActionReplace),
			Check: takenOut(to),
		},
		resource.TestStep{
			Config: strings.Replace(config, "autoscaling", "namespace = \"elsewhere\"\nautoscaling", 1), ConfigPlanChecks: acts(plancheck.ResourceActionReplace),
			Check:             takenOut(to),
			ConfigStateChecks: keeps(tfjsonpath.New("id"), knownvalue.StringExact("elsewhere/policy-to/web")),
		},
	)
}

// What does not concern the job is not told to Nomad.
func TestPolicyChangesThatDoNotConcernTheJob(t *testing.T) {
	t.Parallel()
	const id = "policy-untouched"
	runByHand(t, spec(id, "count = 1"))
	var index uint64
	apply(t,
		resource.TestStep{
			Config: policy("a", id, `autoscaling = {}`),
			Check: func(*terraform.State) error {
				index = *job(t, id).JobModifyIndex
				return nil
			},
		},
		resource.TestStep{
			Config:           policy("a", id, "autoscaling = {}\n detach = true\n timeouts = { update = \"1m\" }"),
			ConfigPlanChecks: acts(plancheck.ResourceActionUpdate),
			Check: func(*terraform.State) error {
				return differ("the job's index", index, *job(t, id).JobModifyIndex)
			},
		},
	)
}

func TestPolicyWithoutNomad(t *testing.T) {
	t.Parallel()
	const id = "policy-unreachable"
	runByHand(t, spec(id, "count = 1"))
	nowhere := configuredAt("http://user:secret@127.0.0.1:1", policy("a", id, `autoscaling = {}`))
	apply(t,
		resource.TestStep{Config: nowhere, PlanOnly: true, ExpectNonEmptyPlan: true},
		resource.TestStep{Config: nowhere, ExpectError: said("Nomad is looked for at http://user:xxxxx@127.0.0.1:1")},
		resource.TestStep{Config: policy("a", id, `autoscaling = {}`)},
		resource.TestStep{Config: nowhere, ExpectError: said("The job could not be read")},
		resource.TestStep{Config: policy("a", id, `autoscaling = {}`), ConfigPlanChecks: acts(plancheck.ResourceActionNoop)},
	)
}
