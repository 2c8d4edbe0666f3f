package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
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
			return fmt.Errorf("job %s was not purged: %v", id, err)
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
	config := func(count, max string) string {
		return app("a", two(id, count), `autoscaling = { max_instances = `+max+` }`)
	}
	apply(t,
		resource.TestStep{Config: config("count = 1", "5"), Check: other(1)},
		resource.TestStep{ // what was scaled by hand stays
			PreConfig: func() { change(t, id, func(j *api.Job) { *j.TaskGroups[1].Count = 2 }) },
			Config:    config("count = 1", "6"), Check: other(2),
		},
		resource.TestStep{Config: config("count = 3", "6"), Check: other(3)}, // what is declared anew is set
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
	j, err := agent.API.Jobs().ParseHCL(jobspec, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := agent.API.Jobs().RegisterOpts(j, &api.RegisterOptions{Submission: &api.JobSubmission{Source: jobspec, Format: "hcl2"}}, nil); err != nil {
		t.Fatal(err)
	}
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
	for _, c := range []struct {
		name, jobspec, config, want string
	}{
		{name: "system", jobspec: strings.Replace(spec("x", ""), `group "web"`, `type = "system"`+"\n"+`group "web"`, 1), want: `runs once on every node and has no count to scale: use the type "service"`},
		{name: "sysbatch", jobspec: strings.Replace(spec("x", ""), `group "web"`, `type = "sysbatch"`+"\n"+`group "web"`, 1), want: `has no count to scale`},
		{name: "batch", jobspec: strings.Replace(spec("x", ""), `group "web"`, `type = "batch"`+"\n"+`group "web"`, 1), want: `use the type "service"`},
		{name: "own scaling block", jobspec: spec("x", "scaling {\n max = 3\n }"), want: `has a scaling block of its own; remove it and say the same in the policy`},
		{name: "no such group", jobspec: strings.Replace(spec("x", ""), `group "web"`, `group "api"`, 1), want: `job x has no group "web"; its groups are api`},
		{name: "syntax", jobspec: `job "x" { nonsense = 1 }`, want: `An argument named "nonsense" is not expected here`},
		{name: "broken JSON", jobspec: `{"Job": }`, want: `invalid character`},
		{name: "no ID", jobspec: `{"Job": {"TaskGroups": [{"Name": "web"}]}}`, want: `the job has no ID`},
		{name: "another region", jobspec: strings.Replace(spec("x", ""), `group "web"`, `region = "west"`+"\n"+`group "web"`, 1), want: `set region = "west" in the provider's configuration`},
		{name: "refused by Nomad", jobspec: strings.Replace(spec("x", ""), "cpu    = 10", "cpu    = 10\n cores = 1", 1), want: `Task can only ask for 'cpu' or 'cores' resource`},
	} {
		t.Run(c.name, func(t *testing.T) {
			apply(t, resource.TestStep{Config: app("a", c.jobspec, `autoscaling = {}`), ExpectError: said(c.want)})
		})
	}
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
	config := "resource \"terraform_data\" \"later\" {\n  input = { most = 7, name = \"unknown\", metric = \"concurrency\" }\n}\n" +
		strings.Replace(app("a", spec("unknown", ""), `autoscaling = { max_instances = terraform_data.later.output.most, min_instances = 2, metric = terraform_data.later.output.metric }`),
			`job "unknown"`, `job "${terraform_data.later.output.name}"`, 1)
	apply(t,
		resource.TestStep{
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(a, tfjsonpath.New("id")),
				plancheck.ExpectUnknownValue(a, at(autoscaling, "max_instances")),
				plancheck.ExpectKnownValue(a, at(autoscaling, "min_instances"), knownvalue.Int64Exact(2)),
			}},
			ConfigStateChecks: append(holds(at(autoscaling, "max_instances"), knownvalue.Int64Exact(7)),
				holds(at(autoscaling, "scale_up_threshold"), knownvalue.Float64Exact(1))...),
		},
		resource.TestStep{
			Config: strings.NewReplacer("most = 7", "most = 1").Replace(config), ExpectError: said(`autoscaling.min_instances is "2"; it must be at most max_instances, which is 1`),
		},
	)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); !ok(); {
		select {
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}
