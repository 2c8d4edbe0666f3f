package provider

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// calling is a configuration whose output is what a function returns.
func calling(function, arguments string) string {
	return fmt.Sprintf("output \"is\" {\n  value = provider::nomadscale::%s(%s)\n}\n", function, arguments)
}

func returns(value knownvalue.Check) []statecheck.StateCheck {
	return []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("is", value)}
}

func TestDecideFunction(t *testing.T) {
	t.Parallel()
	decision := func(count int64, direction, rule, reason string) knownvalue.Check {
		return knownvalue.ObjectPartial(map[string]knownvalue.Check{
			"count": knownvalue.Int64Exact(count), "direction": knownvalue.StringExact(direction),
			"rule": knownvalue.StringExact(rule), "reason": knownvalue.StringExact(reason),
		})
	}
	apply(t,
		resource.TestStep{
			Config:            calling("decide", `{ autoscaling = {} }, { desired = 2, load = 250 }`),
			ConfigStateChecks: returns(decision(3, "up", "up", "250 requests a minute is 125 % of 2 instances, above 90 %; 3 instances called for")),
		},
		resource.TestStep{
			Config: calling("decide", `{ autoscaling = { metric = "concurrency", min_instances = 0, max_instances = 5, buffer_instances = 1 } }, { desired = 0, load = 3 }`),
			ConfigStateChecks: returns(knownvalue.ObjectExact(map[string]knownvalue.Check{
				"count": knownvalue.Int64Exact(4), "direction": knownvalue.StringExact("up"), "rule": knownvalue.StringExact("activate"),
				"reason": knownvalue.StringExact("woken by 3 requests at a time; 4 instances called for (with 1 buffer)"),
				"goal":   knownvalue.Int64Exact(4), "demand": knownvalue.Float64Exact(3), "utilisation": knownvalue.Float64Exact(3), "wait": knownvalue.StringExact("0s"),
			})),
		},
		resource.TestStep{ // a load that is not known scales nothing
			Config: calling("decide", `{ autoscaling = {} }, { desired = 2, load = null }`),
			ConfigStateChecks: returns(knownvalue.ObjectPartial(map[string]knownvalue.Check{
				"count": knownvalue.Int64Exact(2), "rule": knownvalue.StringExact("no_data"), "demand": knownvalue.Null(), "utilisation": knownvalue.Null(),
			})),
		},
		resource.TestStep{
			Config: calling("decide", `{ autoscaling = { scale_up_cooldown = "5m" } }, { desired = 2, load = 250, since_up = "1m" }`),
			ConfigStateChecks: returns(knownvalue.ObjectPartial(map[string]knownvalue.Check{
				"count": knownvalue.Int64Exact(2), "rule": knownvalue.StringExact("hold"), "goal": knownvalue.Int64Exact(3), "wait": knownvalue.StringExact("4m"),
			})),
		},
		resource.TestStep{
			Config:            calling("decide", `{ autoscaling = { min_instances = 0, stop_after_inactive = 600 } }, { desired = 2, load = 0, since_load = "10m" }`),
			ConfigStateChecks: returns(decision(0, "down", "inactive", "no load for 10m")),
		},
		resource.TestStep{
			Config:            calling("decide", `{ autoscaling = { min_instances = 0, stop_after_inactive = 600 } }, { desired = 1, load = 0, since_load = "9m" }`),
			ConfigStateChecks: returns(decision(1, "none", "hold", "no load now, but not yet for 10m")),
		},
		resource.TestStep{ // the policy of a resource is one of the function
			Config: app("a", spec("decided", ""), `autoscaling = { max_instances = 4 }
				routing = { hosts = ["a.example.com", "b.example.com"] }`) +
				calling("decide", `{ autoscaling = nomadscale_app.a.autoscaling, routing = nomadscale_app.a.routing, service_selection_mode = nomadscale_app.a.service_selection_mode }, { desired = 9, load = 1 }`),
			ConfigStateChecks: returns(decision(4, "down", "above_max", "9 desired is above max_instances 4")),
		},
	)
}

// What is not known yet makes a result that is not known yet.
func TestFunctionsOfUnknownValues(t *testing.T) {
	t.Parallel()
	apply(t, resource.TestStep{
		Config:            "resource \"terraform_data\" \"most\" {\n  input = 3\n}\n" + calling("decide", `{ autoscaling = { max_instances = terraform_data.most.output } }, { desired = 5, load = 1 }`),
		ConfigPlanChecks:  resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectUnknownOutputValue("is")}},
		ConfigStateChecks: returns(knownvalue.ObjectPartial(map[string]knownvalue.Check{"count": knownvalue.Int64Exact(3)})),
	})
}

func TestFunctionsRefuse(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		`decide({ autoscaling = { max_instances = 0 } }, { desired = 1 })`:   `autoscaling.max_instances is "0"; it must be`,
		`decide({ autoscaling = { max_instanzes = 3 } }, { desired = 1 })`:   `autoscaling has no attribute "max_instanzes": it may have`,
		`decide({ autoscaling = { max_instances = {} } }, { desired = 1 })`:  `autoscaling.max_instances must be a single value`,
		`decide({ autoscaling = 3 }, { desired = 1 })`:                       `autoscaling must be an object with the attributes`,
		`decide("x", { desired = 1 })`:                                       `the policy must be an object with the attributes autoscaling`,
		`decide({ autoscaling = {} }, { load = 1 })`:                         `must have the attribute desired`,
		`decide({ autoscaling = {} }, { desired = 1.5 })`:                    `desired = "1.5": must be a whole number`,
		`decide({ autoscaling = {} }, { desired = 1, load = -1 })`:           `load = "-1": must be a number of at least 0`,
		`decide({ autoscaling = {} }, { desired = 1, since_up = "soon" })`:   `since_up = "soon": must be a duration`,
		`decide({ autoscaling = {} }, { desired = 1, lod = 1 })`:             `the observation has no attribute "lod"`,
		`policy("web", { autoscaling = {} })`:                                `must be <namespace>/<job>/<group>`,
		`policy("default/web/web", { autoscaling = { metric = "custom" } })`: `autoscaling.source must be set when metric is custom`,
		`policy("default/web/web", { service_selection_mode = "best" })`:     `service_selection_mode is "best"; it must be`,
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			name, arguments, _ := strings.Cut(call, "(")
			apply(t, resource.TestStep{Config: calling(name, strings.TrimSuffix(arguments, ")")), ExpectError: said(want)})
		})
	}
}

// The real Nomad takes the block in a jobspec, and it is the policy that was
// rendered.
func TestPolicyFunction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ id, policy string }{
		"defaults": {"rendered", `{ autoscaling = {} }`},
		"much": {"rendered/much", `{
			autoscaling = { enabled = false, metric = "custom", source = "prometheus", query = "sum(rate(x{app=\"$${y}\"}[1m]))", target_per_instance = 1000000, target = "nomadscale", hard_max_instances = 40 }
			service_selection_mode = "hash"
			routing = { hash_key = "header:X-User", hosts = ["a.example.com", "b.example.com"], rate_limit = 0.5 }
		}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := scaler.AppID{Namespace: "default", Job: c.id, Group: "web"}
			apply(t, resource.TestStep{
				Config: calling("policy", fmt.Sprintf("%q, %s", target, c.policy)),
				Check: func(s *terraform.State) error {
					rendered, _ := s.RootModule().Outputs["is"].Value.(string)
					job, err := agent.Client.ParseJob(t.Context(), spec(c.id, rendered))
					if err != nil {
						return fmt.Errorf("%w\n%s", err, rendered)
					}
					block, err := jobspec.ParseBlock(job.TaskGroups[0].Scaling)
					if err != nil {
						return fmt.Errorf("%w\n%s", err, rendered)
					}
					if again := renderBlock(block); again != rendered {
						return fmt.Errorf("what is read is another block (-rendered +read):\n%s", cmp.Diff(rendered, again))
					}
					if block.Policy.App.String() != target.String() {
						return fmt.Errorf("it is for %s", block.Policy.App.String())
					}
					return nil
				},
			})
		})
	}
}

// A policy that is rendered by default is one that is declared by default.
func TestRenderedPolicyIsTheDeclaredOne(t *testing.T) {
	t.Parallel()
	block, err := settings{}.block(someTarget)
	if err != nil {
		t.Fatal(err)
	}
	rendered := renderBlock(block)
	for _, key := range scaler.Keys() {
		if value, given := block.Policy.Document()[key.Name]; given && !strings.Contains(rendered, fmt.Sprintf("%q", value)) {
			t.Errorf("%s = %q is not in\n%s", key.Name, value, rendered)
		}
	}
}

func TestFunctionExamples(t *testing.T) {
	t.Parallel()
	apply(t,
		resource.TestStep{
			Config:            example(t, "functions", "decide", "function.tf"),
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValueAtPath("decision", tfjsonpath.New("count"), knownvalue.Int64Exact(3))},
		},
		resource.TestStep{
			Config:            example(t, "functions", "policy", "function.tf"),
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("scaling", knownvalue.StringRegexp(regexp.MustCompile(`(?s)^scaling \{.*strategy "nomadscale" \{.*hosts += "web.example.com"`)))},
		},
	)
}
