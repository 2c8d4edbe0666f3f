package provider

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const a = "nomadscale_app.a"

func holds(path tfjsonpath.Path, value knownvalue.Check) []statecheck.StateCheck {
	return []statecheck.StateCheck{statecheck.ExpectKnownValue(a, path, value)}
}

func at(parent, name string) tfjsonpath.Path { return tfjsonpath.New(parent).AtMapKey(name) }

func action(kind plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(a, kind)}}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	const id = "lifecycle"
	applyAndDestroy(t, gone(id),
		resource.TestStep{
			Config:            app("a", spec(id, ""), `autoscaling = {}`),
			ConfigStateChecks: append(holds(tfjsonpath.New("id"), knownvalue.StringExact("default/lifecycle/web")), holds(tfjsonpath.New("drift"), knownvalue.MapSizeExact(0))...),
		},
		resource.TestStep{
			Config:            app("a", spec(id, ""), `autoscaling = { max_instances = 5, scale_up_cooldown = "5m" }`),
			ConfigPlanChecks:  action(plancheck.ResourceActionUpdate),
			ConfigStateChecks: holds(at(autoscaling, "max_instances"), knownvalue.Int64Exact(5)),
		},
		resource.TestStep{ // the same lengths in other words
			Config:           app("a", spec(id, ""), `autoscaling = { max_instances = 5, scale_up_cooldown = 300 }`),
			ConfigPlanChecks: action(plancheck.ResourceActionNoop),
		},
		resource.TestStep{ // what is not configured any more goes back to its default
			Config:            app("a", spec(id, ""), `autoscaling = {}`),
			ConfigPlanChecks:  action(plancheck.ResourceActionUpdate),
			ConfigStateChecks: holds(at(autoscaling, "max_instances"), knownvalue.Int64Exact(10)),
		},
		resource.TestStep{
			Config: app("a", spec(id, ""), `autoscaling = {}
			  service_selection_mode = "hash"
			  routing = { hash_key = "header:X-User", hosts = ["A.example.com"], rate_limit = 10, request_timeout = 90 }`),
			ConfigPlanChecks:  action(plancheck.ResourceActionUpdate),
			ConfigStateChecks: holds(at(routing, "rate_limit_burst"), knownvalue.Int64Exact(50)),
		},
		resource.TestStep{
			Config:           app("a", strings.ReplaceAll(spec(id, ""), "3600", "1800"), `autoscaling = {}`),
			ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
		},
	)
}

// gone checks that nothing of a job is left.
func gone(id string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		if _, _, err := agent.API.Jobs().Info(id, nil); err == nil || !strings.Contains(err.Error(), "404") {
			return fmt.Errorf("job %s was not purged: %w", id, err)
		}
		allocations, _, err := agent.API.Jobs().Allocations(id, true, nil)
		for _, allocation := range allocations {
			if allocation.ClientStatus == api.AllocClientStatusRunning {
				err = errors.Join(err, fmt.Errorf("allocation %s still runs", allocation.Name))
			}
		}
		return err
	}
}

func TestWaitsForDeploymentAndStop(t *testing.T) {
	t.Parallel()
	const id = "deployed"
	deploying := strings.Replace(spec(id, "count = 2"), "max_parallel = 0", "max_parallel = 1\n min_healthy_time = \"0s\"\n health_check = \"task_states\"", 1)
	applyAndDestroy(t, gone(id),
		resource.TestStep{
			Config: app("a", deploying, `autoscaling = {}`),
			Check: func(*terraform.State) error {
				deployment, _, err := agent.API.Jobs().LatestDeployment(id, nil)
				if err != nil {
					return err
				}
				if deployment.Status != api.DeploymentStatusSuccessful {
					return fmt.Errorf("the deployment is %s", deployment.Status)
				}
				return nil
			},
		},
		resource.TestStep{ // the policy's own deployment is waited for too
			Config: app("a", deploying, `autoscaling = { max_instances = 4 }`),
			Check: func(*terraform.State) error {
				scaled := 3
				_, _, err := agent.API.Jobs().Scale(id, "web", &scaled, "", false, nil, nil)
				return err // refused while a deployment is running
			},
		},
	)
}

func TestJSONSpecifications(t *testing.T) {
	t.Parallel()
	bare := `{"ID": "json", "TaskGroups": [{"Name": "web", "Count": 0, "Tasks": [{"Name": "app", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["3600"]}, "Resources": {"MemoryMB": 10}}]}]}`
	apply(t,
		resource.TestStep{Config: app("a", bare, `autoscaling = { min_instances = 0 }`)},
		resource.TestStep{Config: app("a", `{"Job": `+bare+`}`, `autoscaling = { min_instances = 0 }`), ConfigPlanChecks: action(plancheck.ResourceActionUpdate)},
	)
}

// runs checks that an allocation of the job is up.
func runs(id string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		allocations, _, err := agent.API.Jobs().Allocations(id, true, nil)
		if err != nil {
			return err
		}
		for _, allocation := range allocations {
			if allocation.ClientStatus == api.AllocClientStatusRunning && allocation.DesiredStatus == api.AllocDesiredStatusRun {
				return nil
			}
		}
		return fmt.Errorf("no allocation of job %s runs", id)
	}
}

func counts(id string, want int) resource.TestCheckFunc {
	return func(*terraform.State) error {
		job, _, err := agent.API.Jobs().Info(id, nil)
		if err != nil {
			return err
		}
		if got := *job.TaskGroups[0].Count; got != want {
			return fmt.Errorf("the count is %d, want %d", got, want)
		}
		return nil
	}
}

func TestAnotherJobReplaces(t *testing.T) {
	t.Parallel()
	applyAndDestroy(t, gone("replaced-by"),
		resource.TestStep{Config: app("a", spec("replaced", ""), `autoscaling = { min_instances = 0 }`)},
		resource.TestStep{
			Config:            app("a", spec("replaced-by", ""), `autoscaling = { min_instances = 0 }`),
			ConfigPlanChecks:  action(plancheck.ResourceActionReplace),
			ConfigStateChecks: holds(tfjsonpath.New("job_id"), knownvalue.StringExact("replaced-by")),
			Check:             gone("replaced"),
		},
	)
}

// two is a job with a second group.
func two(id, otherCount string) string {
	return strings.TrimSuffix(spec(id, ""), "}") + fmt.Sprintf(`
  group "other" {
    %s
    update {
      max_parallel = 0
    }
    task "app" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }
}`, otherCount)
}

func TestAnotherGroupTakesThePolicyOver(t *testing.T) {
	t.Parallel()
	const id = "regrouped"
	config := app("a", two(id, ""), `autoscaling = {}`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig:         func() { scale(t, id, 2) },
			Config:            strings.Replace(config, `group   = "web"`, `group   = "other"`, 1),
			ConfigPlanChecks:  action(plancheck.ResourceActionUpdate),
			ConfigStateChecks: holds(at(autoscaling, "query"), knownvalue.StringExact("requests_per_minute default/regrouped/other")),
			Check: func(s *terraform.State) error {
				j := job(t, id)
				if j.TaskGroups[0].Scaling != nil || j.TaskGroups[1].Scaling == nil {
					return errors.New("the scaling block is not where it should be")
				}
				return counts(id, 2)(s)
			},
		},
	)
}

func TestOtherGroupsKeepTheirCounts(t *testing.T) {
	t.Parallel()
	const id = "others"
	other := func(want int) resource.TestCheckFunc {
		return func(*terraform.State) error {
			if got := *job(t, id).TaskGroups[1].Count; got != want {
				return fmt.Errorf("the other group's count is %d, want %d", got, want)
			}
			return nil
		}
	}
	config := func(count, most string) string {
		return app("a", two(id, count), `autoscaling = { max_instances = `+most+` }`)
	}
	apply(t,
		resource.TestStep{Config: config("count = 1", "5"), Check: other(1)},
		resource.TestStep{ // what was scaled by hand stays
			PreConfig: func() { change(t, id, func(j *api.Job) { *j.TaskGroups[1].Count = 2 }) },
			Config:    config("count = 1", "6"), Check: other(2),
		},
		resource.TestStep{Config: config("count = 3", "6"), Check: other(3)}, // what is newly declared is set
	)
}

func TestChangesThatDoNotConcernTheJob(t *testing.T) {
	t.Parallel()
	const id = "untouched"
	var index uint64
	apply(t,
		resource.TestStep{
			Config: app("a", spec(id, ""), `autoscaling = {}`),
			Check: func(*terraform.State) error {
				index = *job(t, id).JobModifyIndex
				return nil
			},
		},
		resource.TestStep{
			Config: app("a", spec(id, ""), `autoscaling = {}
			  detach = true
			  purge_on_destroy = false
			  timeouts = { update = "1m" }`),
			ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
			Check: func(*terraform.State) error {
				if now := *job(t, id).JobModifyIndex; now != index {
					return fmt.Errorf("the job was registered again: index %d, was %d", now, index)
				}
				return nil
			},
		},
		resource.TestStep{Config: app("a", spec(id, ""), `autoscaling = {}`)},
	)
}

func TestDestroyWithoutPurge(t *testing.T) {
	t.Parallel()
	const id = "kept"
	stopped := func(*terraform.State) error {
		if j := job(t, id); !*j.Stop {
			return errors.New("the job still runs")
		}
		return nil
	}
	config := app("a", spec(id, ""), "autoscaling = {}\n purge_on_destroy = false")
	applyAndDestroy(t, stopped, resource.TestStep{Config: config})
	// What was left can be declared again.
	applyAndDestroy(t, gone(id), resource.TestStep{Config: app("a", spec(id, ""), "autoscaling = {}")})
}

// Nomad forgets the allocations of a purged job while their tasks run on for the
// shutdown delay, so the processes themselves have to be gone.
func TestDestroyWaitsForTheShutdownDelay(t *testing.T) {
	t.Parallel()
	const id = "delayed"
	var allocation string
	ended := func(s *terraform.State) error {
		if left := nomadtest.Processes("NOMAD_ALLOC_ID=" + allocation); len(left) > 0 {
			return fmt.Errorf("the processes %v of the job still run", left)
		}
		return gone(id)(s)
	}
	applyAndDestroy(t, ended, resource.TestStep{
		Config: app("a", spec(id, `shutdown_delay = "3s"`), "autoscaling = {}"),
		Check: func(*terraform.State) error {
			allocations, _, err := agent.API.Jobs().Allocations(id, true, nil)
			if err != nil || len(allocations) != 1 {
				return fmt.Errorf("%d allocations, %w; want one", len(allocations), err)
			}
			allocation = allocations[0].ID
			if len(nomadtest.Processes("NOMAD_ALLOC_ID="+allocation)) == 0 {
				return errors.New("no process of the job runs")
			}
			return nil
		},
	})
}

func TestExistingJobIsNotTaken(t *testing.T) {
	t.Parallel()
	const id = "taken"
	runByHand(t, spec(id, ""))
	apply(t, resource.TestStep{
		Config:      app("a", spec(id, ""), `autoscaling = {}`),
		ExpectError: said(`terraform import nomadscale_app.<name> default/taken/web`),
	})
	if j := job(t, id); j.TaskGroups[0].Scaling != nil {
		t.Error("the job was written")
	}
}

// runByHand runs a job by hand.
func runByHand(t *testing.T, jobspec string) {
	t.Helper()
	if err := register(jobspec); err != nil {
		t.Fatal(err)
	}
}

// register is what `nomad job run` does.
func register(jobspec string) error {
	j, err := agent.API.Jobs().ParseHCL(jobspec, true)
	if err != nil {
		return err
	}
	_, _, err = agent.API.Jobs().RegisterOpts(j, &api.RegisterOptions{Submission: &api.JobSubmission{Source: jobspec, Format: "hcl2"}}, nil)
	return err
}

// said matches a text in Terraform's output, which breaks lines where it likes.
func said(text string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(text), " ", `[\s│]+`))
}

func TestFailures(t *testing.T) {
	t.Parallel()
	healthy := "update {\n      max_parallel = 0\n    }"
	deploying := "update {\n min_healthy_time = \"10s\"\n }\n reschedule {\n attempts = 0\n unlimited = false\n }"
	for _, c := range []struct {
		name, jobspec, inside string
		want                  []string
	}{
		{
			name:    "failing-deployment",
			jobspec: strings.NewReplacer(healthy, deploying, "/bin/sleep", "/bin/false").Replace(spec("failing-deployment", "")),
			want:    []string{"App default/failing-deployment/web is not healthy", ", failed: Failed due to unhealthy allocations", "(failing-deployment.web[0])", "Exit Code: 1", "nomad alloc logs -stderr"},
		},
		{
			name:    "failing-allocation",
			jobspec: strings.Replace(spec("failing-allocation", ""), "/bin/sleep", "/bin/no-such-command", 1),
			want:    []string{"an allocation has failed", "Driver Failure"},
		},
		{
			name:    "no-room",
			jobspec: strings.NewReplacer(healthy, deploying, "memory = 10", "memory = 9999999").Replace(spec("no-room", "")),
			inside:  `timeouts = { create = "2s" }`,
			want:    []string{"after the time that timeouts allows", "Group web, 1 not placed: memory exhausted on 1 of 1 nodes", "nomad deployment status"},
		},
		{
			name:    "no-node",
			jobspec: strings.Replace(spec("no-node", ""), `group "web" {`, "constraint {\n attribute = \"$${attr.kernel.name}\"\n value = \"plan9\"\n }\n group \"web\" {", 1),
			inside:  `timeouts = { create = "2s" }`,
			want:    []string{"constraint ${attr.kernel.name} = plan9 excludes 1 of 1 nodes"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen error
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: servers(),
				Steps:                    []resource.TestStep{{Config: configured(app("a", c.jobspec, "autoscaling = {}\n"+c.inside))}},
				ErrorCheck:               func(err error) error { seen = err; return nil },
				// A job that was registered is in the state although waiting failed.
				CheckDestroy: gone(c.name),
			})
			mustSay(t, seen, c.want...)
		})
	}
}

func mustSay(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("there was no error")
	}
	for _, text := range texts {
		if !said(text).MatchString(err.Error()) {
			t.Errorf("the error does not say %q:\n%v", text, err)
		}
	}
}

func TestRefusedSpecifications(t *testing.T) {
	t.Parallel()
	typed := func(kind string) string {
		return strings.Replace(spec("x", ""), `group "web"`, "type = \""+kind+"\"\ngroup \"web\"", 1)
	}
	refused := func(jobspec, says string) invalidCase {
		return invalidCase{arguments: "autoscaling = {}", jobspec: jobspec, says: says}
	}
	invalid(t, map[string]invalidCase{
		"system":        refused(typed("system"), `runs once on every node and has no count to scale: use the type "service"`),
		"sysbatch":      refused(typed("sysbatch"), `has no count to scale`),
		"batch":         refused(typed("batch"), `use the type "service"`),
		"own_block":     refused(spec("x", "scaling {\n max = 3\n }"), `has a scaling block of its own; remove it and write its settings in the policy`),
		"no_such_group": refused(strings.Replace(spec("x", ""), `group "web"`, `group "api"`, 1), `job x has no group "web"; its groups are api`),
		"syntax":        refused(`job "x" { nonsense = 1 }`, `An argument named "nonsense" is not expected here`),
		"broken_json":   refused(`{"Job": }`, `invalid character`),
		"no_id":         refused(`{"Job": {"TaskGroups": [{"Name": "web"}]}}`, `the job has no ID`),
		"region":        refused(strings.Replace(spec("x", ""), `group "web"`, "region = \"west\"\ngroup \"web\"", 1), `set region = "west" in the provider's configuration`),
	})
	apply(t, resource.TestStep{
		Config:      app("a", strings.Replace(spec("x", ""), "cpu    = 10", "cpu    = 10\n cores = 1", 1), `autoscaling = {}`),
		ExpectError: said(`Task can only ask for 'cpu' or 'cores' resource`),
	})
}

func TestUnreachableNomad(t *testing.T) {
	t.Parallel()
	nowhere := configuredAt("http://user:secret@127.0.0.1:1", app("a", spec("unreachable", ""), `autoscaling = {}`))
	t.Run("new", func(t *testing.T) {
		apply(t,
			resource.TestStep{Config: nowhere, PlanOnly: true, ExpectNonEmptyPlan: true}, // what does not need Nomad is planned
			resource.TestStep{Config: nowhere, ExpectError: said("Nomad is looked for at http://user:xxxxx@127.0.0.1:1")},
		)
	})
	t.Run("existing", func(t *testing.T) {
		apply(t,
			resource.TestStep{Config: app("a", spec("unreachable", ""), `autoscaling = {}`)},
			resource.TestStep{Config: nowhere, ExpectError: said("The job could not be read")},
			resource.TestStep{Config: app("a", spec("unreachable", ""), `autoscaling = {}`), ConfigPlanChecks: action(plancheck.ResourceActionNoop)},
		)
	})
}

func TestUnknownProviderConfiguration(t *testing.T) {
	t.Parallel()
	config := fmt.Sprintf("resource \"terraform_data\" \"cluster\" {\n  input = %q\n}\nprovider \"nomadscale\" {\n  address = terraform_data.cluster.output\n}\n", agent.Address) +
		app("a", spec("later", ""), `autoscaling = {}`)
	apply(t, resource.TestStep{
		Config: config,
		ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
			plancheck.ExpectUnknownValue(a, tfjsonpath.New("job_id")),
			plancheck.ExpectKnownValue(a, at(autoscaling, "max_instances"), knownvalue.Int64Exact(10)),
		}},
		ConfigStateChecks: holds(tfjsonpath.New("job_id"), knownvalue.StringExact("later")),
	})
}

func TestUnknownValues(t *testing.T) {
	t.Parallel()
	config := "resource \"terraform_data\" \"later\" {\n  input = { most = 7, name = \"unknown\", metric = \"concurrency\", routing = { ready_path = \"/ready\" } }\n}\n" +
		strings.Replace(app("a", spec("unknown", ""), `autoscaling = { max_instances = terraform_data.later.output.most, min_instances = 2, metric = terraform_data.later.output.metric }
		  routing = terraform_data.later.output.routing`),
			`job "unknown"`, `job "${terraform_data.later.output.name}"`, 1)
	apply(t,
		resource.TestStep{
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(a, tfjsonpath.New("id")),
				plancheck.ExpectUnknownValue(a, at(autoscaling, "max_instances")),
				plancheck.ExpectUnknownValue(a, tfjsonpath.New(routing)),
				plancheck.ExpectKnownValue(a, at(autoscaling, "min_instances"), knownvalue.Int64Exact(2)),
			}},
			ConfigStateChecks: slices.Concat(
				holds(at(autoscaling, "max_instances"), knownvalue.Int64Exact(7)),
				holds(at(autoscaling, "scale_up_threshold"), knownvalue.Float64Exact(1)),
				holds(at(routing, "ready_path"), knownvalue.StringExact("/ready")),
			),
		},
		resource.TestStep{
			Config: strings.NewReplacer("most = 7", "most = 1").Replace(config), ExpectError: said(`autoscaling.min_instances is "2"; it must be at most max_instances, which is 1`),
		},
	)
}

// A token with no more than the capabilities that the documentation lists can
// do everything.
func TestTokenWithTheListedCapabilities(t *testing.T) {
	guarded := nomadtest.Start(t, nomadtest.Options{ACL: true, Config: limits})
	rules := `namespace "default" { capabilities = ["submit-job", "read-job", "parse-job"] }`
	if _, err := guarded.API.ACLPolicies().Upsert(&api.ACLPolicy{Name: "terraform", Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := guarded.API.ACLTokens().Create(&api.ACLToken{Type: "client", Policies: []string{"terraform"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := func(secret, most string) string {
		return fmt.Sprintf("provider %q {\n  address = %q\n  secret_id = %q\n}\n", "nomadscale", guarded.Address, secret) +
			app("a", spec("guarded", ""), `autoscaling = { max_instances = `+most+` }`)
	}
	apply(t,
		resource.TestStep{Config: config("00000000-0000-0000-0000-000000000000", "5"), ExpectError: said("permission denied: the token needs the capability submit-job in namespace default")},
		resource.TestStep{Config: config(token.SecretID, "5")},
		resource.TestStep{Config: config(token.SecretID, "6")},
		resource.TestStep{ResourceName: a, ImportState: true, ImportStateVerify: true},
	)
}
