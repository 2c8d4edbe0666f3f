package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const p = "nomadscale_policy.a"

func keeps(path tfjsonpath.Path, value knownvalue.Check) []statecheck.StateCheck {
	return []statecheck.StateCheck{statecheck.ExpectKnownValue(p, path, value)}
}

func acts(kind plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(p, kind)}}
}

// another is a scaling block of the owner's own, as the autoscaler's own
// strategies have it.
const another = `scaling {
      min     = 1
      max     = 4
      enabled = true
      policy {
        cooldown            = "3m"
        evaluation_interval = "15s"
        check "cpu" {
          source = "nomad-apm"
          query  = "avg_cpu"
          strategy "target-value" {
            target    = 70
            threshold = 0.05
          }
        }
      }
    }`

// running are a job's allocations that are to run, with the start of their tasks.
func running(t *testing.T, id string) map[string]string {
	t.Helper()
	allocations, _, err := agent.API.Jobs().Allocations(id, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, a := range allocations {
		if task := a.TaskStates["app"]; a.DesiredStatus == api.AllocDesiredStatusRun && task != nil && task.State == "running" {
			all[a.ID] = fmt.Sprint(task.StartedAt, task.Restarts)
		}
	}
	return all
}

// whole is a job as its specification says it, in JSON, without its scaling
// blocks where they do not matter.
func whole(t *testing.T, j *api.Job, scaling bool) string {
	t.Helper()
	bare := *j
	bare.Version, bare.SubmitTime, bare.ModifyIndex, bare.JobModifyIndex, bare.CreateIndex = nil, nil, nil, nil, nil
	bare.Status, bare.StatusDescription, bare.Stable = nil, nil, nil
	bare.TaskGroups = nil
	for _, group := range j.TaskGroups {
		g := *group
		if g.Scaling != nil && scaling {
			g.Scaling = &api.ScalingPolicy{Min: g.Scaling.Min, Max: g.Scaling.Max, Policy: g.Scaling.Policy, Enabled: g.Scaling.Enabled, Type: g.Scaling.Type}
		} else {
			g.Scaling = nil
		}
		bare.TaskGroups = append(bare.TaskGroups, &g)
	}
	text, err := json.MarshalIndent(bare, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func source(t *testing.T, id string) *api.JobSubmission {
	t.Helper()
	submission, _, err := agent.API.Jobs().Submission(id, int(*job(t, id).Version), nil)
	if err != nil {
		t.Fatalf("the source of job %s: %v", id, err)
	}
	return submission
}

// The policy comes and goes, and of the job nothing else changes, not even what
// its instances notice.
func TestPolicyLifecycle(t *testing.T) {
	t.Parallel()
	for name, inside := range map[string]string{"bare": "count = 3", "scaled-before": "count = 3\n" + another} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "policy-" + name
			runByHand(t, spec(id, inside))
			nomadtest.Eventually(t, 30*time.Second, "three instances", func() bool { return len(running(t, id)) == 3 })
			found, allocations, submission := job(t, id), running(t, id), source(t, id)
			untouched := func(*terraform.State) error {
				now := job(t, id)
				return errors.Join(
					differ("the job outside of its scaling block", whole(t, found, false), whole(t, now, false)),
					differ("the allocations", allocations, running(t, id)),
					differ("the source", submission, source(t, id)),
				)
			}
			config := func(arguments string) string { return policy("a", id, arguments) }
			applyAndDestroy(t,
				func(s *terraform.State) error {
					return errors.Join(untouched(s), differ("the job", whole(t, found, true), whole(t, job(t, id), true)))
				},
				resource.TestStep{
					Config: config(`autoscaling = { min_instances = 0, max_instances = 5 }`),
					Check:  untouched,
					ConfigStateChecks: append(keeps(tfjsonpath.New("id"), knownvalue.StringExact("default/"+id+"/web")),
						append(keeps(tfjsonpath.New("namespace"), knownvalue.StringExact("default")), keeps(tfjsonpath.New("drift"), knownvalue.MapSizeExact(0))...)...),
				},
				resource.TestStep{
					Config:            config(`autoscaling = { min_instances = 0, scale_up_cooldown = "5m" }`),
					ConfigPlanChecks:  acts(plancheck.ResourceActionUpdate),
					ConfigStateChecks: keeps(at(autoscaling, "max_instances"), knownvalue.Int64Exact(10)),
					Check:             untouched,
				},
				resource.TestStep{ // the same length in other words
					Config:           config(`autoscaling = { min_instances = 0, scale_up_cooldown = 300 }`),
					ConfigPlanChecks: acts(plancheck.ResourceActionNoop),
				},
				resource.TestStep{
					Config: config(`autoscaling = { min_instances = 0 }
					  service_selection_mode = "hash"
					  routing = { hash_key = "header:X-User", hosts = ["A.example.com"], rate_limit = 10 }`),
					ConfigPlanChecks:  acts(plancheck.ResourceActionUpdate),
					ConfigStateChecks: keeps(at(routing, "rate_limit_burst"), knownvalue.Int64Exact(50)),
					Check:             untouched,
				},
			)
		})
	}
}

func differ(what string, want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s changed (-want +got):\n%s", what, diff)
	}
	return nil
}

// The count moves only as far as the bounds ask, both when the policy comes and
// when the former block comes back.
func TestPolicyClampsTheCount(t *testing.T) {
	t.Parallel()
	const id = "policy-clamped"
	runByHand(t, spec(id, "count = 2\n"+another))
	applyAndDestroy(t, counts(id, 4),
		resource.TestStep{Config: policy("a", id, `autoscaling = { min_instances = 3, max_instances = 9 }`), Check: counts(id, 3)},
		resource.TestStep{ // the policy's own bounds are the autoscaler's to reach
			Config: policy("a", id, `autoscaling = { min_instances = 4, max_instances = 5, hard_min_instances = 0, hard_max_instances = 20 }`),
			Check:  counts(id, 3),
		},
		resource.TestStep{
			PreConfig: func() { scale(t, id, 7) },
			Config:    policy("a", id, `autoscaling = { min_instances = 4, max_instances = 6, hard_max_instances = 20 }`),
			Check:     counts(id, 7),
		},
	)
}

// takenOut checks that a group has no scaling block.
func takenOut(id string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err == nil && j.TaskGroups[0].Scaling != nil {
			err = fmt.Errorf("job %s has a scaling block", id)
		}
		return err
	}
}

// bounded checks the bounds of a job's scaling block.
func bounded(id string, least, most int64) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err != nil {
			return err
		}
		if s := j.TaskGroups[0].Scaling; s == nil || *s.Min != least || *s.Max != most {
			return fmt.Errorf("the scaling block is %+v, want the bounds %d and %d", s, least, most)
		}
		return nil
	}
}

// An owner who registers the job again takes the policy out, or puts a block of
// its own there. The plan shows it, applying puts the policy back, and destroying
// puts back what the owner has said last.
func TestOwnerRegistersAgain(t *testing.T) {
	t.Parallel()
	all := []string{autoscaling, routing, serviceSelectionMode}
	for name, c := range map[string]struct {
		first, second string
		drift         []string
		destroyed     func(id string) resource.TestCheckFunc
	}{
		"without-a-block":    {"", "", all, takenOut},
		"dropping-its-block": {another, "", all, takenOut},
		"with-a-block": {"", another, append([]string{
			"drift.group.web.scaling.policy.cooldown", "drift.group.web.scaling.policy.cooldown_on_scale_up",
			"drift.group.web.scaling.policy.check.load.query_window",
			"drift.group.web.scaling.policy.check.cpu.source", "drift.group.web.scaling.policy.check.cpu.query",
			"drift.group.web.scaling.policy.check.cpu.strategy.target-value.target", "drift.group.web.scaling.policy.check.cpu.strategy.target-value.threshold",
		}, all...), func(id string) resource.TestCheckFunc { return bounded(id, 1, 4) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "policy-again-" + name
			runByHand(t, spec(id, "count = 1\n"+c.first))
			config := policy("a", id, `autoscaling = { max_instances = 7 }`)
			applyAndDestroy(t, c.destroyed(id),
				resource.TestStep{Config: config, Check: bounded(id, 1, 7)},
				resource.TestStep{
					PreConfig:        func() { runByHand(t, strings.Replace(spec(id, "count = 1\n"+c.second), "3600", "1800", 1)) },
					Config:           config,
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": c.drift}}}},
					Check: resource.ComposeAggregateTestCheckFunc(bounded(id, 1, 7), func(*terraform.State) error {
						return differ("the owner's change", []any{"1800"}, job(t, id).TaskGroups[0].Tasks[0].Config["args"])
					}),
				},
			)
		})
	}
}

// What the owner has put in the place of the policy stays, when the policy is
// destroyed before it was put back.
func TestDestroyLeavesTheOwnersBlock(t *testing.T) {
	t.Parallel()
	const id = "policy-replaced-block"
	runByHand(t, spec(id, "count = 1"))
	config := policy("a", id, `autoscaling = {}`)
	applyAndDestroy(t, bounded(id, 1, 4),
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: func() { runByHand(t, spec(id, "count = 1\n"+another)) }, Config: config, PlanOnly: true, ExpectNonEmptyPlan: true},
	)
}

func TestPolicyOfAStoppedJob(t *testing.T) {
	t.Parallel()
	const id = "policy-stopped"
	runByHand(t, spec(id, "count = 1"))
	stop := func() {
		if _, _, err := agent.API.Jobs().Deregister(id, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	stays := func(*terraform.State) error {
		if !*job(t, id).Stop {
			return errors.New("the job was started")
		}
		return nil
	}
	config := func(most string) string { return policy("a", id, `autoscaling = { max_instances = `+most+` }`) }
	stop()
	applyAndDestroy(t, resource.ComposeAggregateTestCheckFunc(stays, takenOut(id)),
		resource.TestStep{Config: config("5"), Check: resource.ComposeAggregateTestCheckFunc(stays, bounded(id, 1, 5))},
		resource.TestStep{PreConfig: func() {
			change(t, id, func(j *api.Job) { *j.Stop = false })
			stop()
		}, Config: config("5"), PlanOnly: true}, // that Nomad disables the policies of a stopped job is no drift
		resource.TestStep{Config: config("6"), Check: resource.ComposeAggregateTestCheckFunc(stays, bounded(id, 1, 6))},
	)
}

// Nomad enables the policies of a job that it starts only where the job's source
// has them.
func TestPolicyOfAJobThatIsStartedAgain(t *testing.T) {
	t.Parallel()
	const id = "policy-started"
	runByHand(t, spec(id, "count = 1"))
	command := func(arguments ...string) {
		arguments = append(arguments, "-address="+agent.Address, "-detach", id)
		if out, err := exec.Command(nomadtest.Tool(t, "nomad"), arguments...).CombinedOutput(); err != nil {
			t.Fatalf("nomad %v: %v\n%s", arguments, err, out)
		}
	}
	config := policy("a", id, `autoscaling = {}`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: func() { command("job", "stop") }, Config: config, PlanOnly: true},
		resource.TestStep{
			PreConfig:        func() { command("job", "start") },
			Config:           config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": {"autoscaling.enabled"}}}}},
			Check:            bounded(id, 1, 10),
		},
	)
}

// A rollout of the owner's goes on when the policy comes in the middle of it.
func TestPolicyDuringARollout(t *testing.T) {
	t.Parallel()
	const id = "policy-rollout"
	before := strings.Replace(deploying(id), "count = 1", "count = 3", 1)
	runByHand(t, before)
	awaitDeployment(t, id)
	runByHand(t, strings.Replace(before, "3600", "1800", 1))
	apply(t, resource.TestStep{
		Config: policy("a", id, `autoscaling = {}`),
		Check: resource.ComposeAggregateTestCheckFunc(argument0(id, "1800"), counts(id, 3), func(*terraform.State) error {
			allocations, _, err := agent.API.Jobs().Allocations(id, false, nil)
			if err != nil {
				return err
			}
			healthy := 0
			for _, a := range allocations {
				if a.DesiredStatus != api.AllocDesiredStatusRun {
					continue
				}
				full, _, err := agent.API.Allocations().Info(a.ID, nil)
				if err != nil {
					return err
				}
				if err := differ("the argument of "+a.Name, []any{"1800"}, full.Job.TaskGroups[0].Tasks[0].Config["args"]); err != nil {
					return err
				}
				healthy++
			}
			return differ("the number of new instances", 3, healthy)
		}),
	})
}

func TestPolicyOfAJobThatIsGone(t *testing.T) {
	t.Parallel()
	const id = "policy-gone"
	purge := func() {
		if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
			t.Fatal(err)
		}
	}
	config := policy("a", id, `autoscaling = {}`)
	runByHand(t, spec(id, "count = 1"))
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: purge, Config: config,
			ConfigPlanChecks: acts(plancheck.ResourceActionCreate),
			ExpectError:      said("Job policy-gone does not exist in namespace default, so there is no group to give a policy to. Run the job first."),
		},
		resource.TestStep{PreConfig: func() { runByHand(t, spec(id, "count = 1")) }, Config: config},
		resource.TestStep{ // so does a group that its job has no more
			PreConfig: func() { runByHand(t, strings.Replace(spec(id, "count = 1"), `group "web"`, `group "api"`, 1)) },
			Config:    config, PlanOnly: true, ExpectError: said(`job policy-gone has no group "web"; its groups are api`),
		},
		resource.TestStep{PreConfig: func() { runByHand(t, spec(id, "count = 1")) }, Config: config},
		resource.TestStep{ // a destroy finds that there is nothing to leave
			Config: config, Destroy: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{betweenPlanAndApply(func() error {
				_, _, err := agent.API.Jobs().Deregister(id, true, nil)
				return err
			})}},
		},
	)
}

func TestPolicyThatIsThereAlready(t *testing.T) {
	t.Parallel()
	const byHand, ours = "policy-by-hand", "policy-ours"
	runByHand(t, spec(byHand, `count = 1
	    scaling {
	      min = 1
	      max = 3
	      policy {
	        check "requests" {
	          source = "nomadscale"
	          query  = "requests_per_minute default/policy-by-hand/web"
	          strategy "nomadscale" {
	            namespace = "default"
	            job = "policy-by-hand"
	            group = "web"
	            max_instances = "3"
	          }
	        }
	      }
	    }`))
	apply(t, resource.TestStep{
		Config:      policy("a", byHand, `autoscaling = {}`),
		ExpectError: said(`It was written by hand, or came with the job's specification. A group has one policy, in one place: remove it there, or manage it here and import it: terraform import nomadscale_policy.<name> default/policy-by-hand/web`),
	})
	if err := bounded(byHand, 1, 3)(nil); err != nil {
		t.Error(err)
	}
	apply(t,
		resource.TestStep{Config: app("a", spec(ours, ""), `autoscaling = { max_instances = 3 }`)},
		resource.TestStep{
			Config:      app("a", spec(ours, ""), `autoscaling = { max_instances = 3 }`) + policy("a", ours, `autoscaling = {}`),
			ExpectError: said(`scales between 1 and 3 instances by a policy that is not in the state of this resource. It is written as nomadscale writes it`),
		},
	)
}
