package provider

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestPolicyPlanIsEmptyWhileTheCountMoves(t *testing.T) {
	t.Parallel()
	const id = "policy-moving"
	runByHand(t, spec(id, "count = 1"))
	config := policy("a", id, `autoscaling = { min_instances = 0, max_instances = 5 }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: func() { scale(t, id, 3) }, Config: config, PlanOnly: true},
		resource.TestStep{PreConfig: func() { scale(t, id, 0) }, Config: config, PlanOnly: true},
	)
}

// A plan that was saved at one count applies at another, which stays unless the
// new bounds say otherwise.
func TestSavedPolicyPlanSurvivesScaling(t *testing.T) {
	t.Parallel()
	const id = "policy-saved-plan"
	runByHand(t, spec(id, "count = 2"))
	config := func(most string) string {
		return policy("a", id, `autoscaling = { min_instances = 0, max_instances = `+most+` }`)
	}
	scaled := func(count int) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{scaling(id, count)}}
	}
	apply(t,
		resource.TestStep{Config: config("10"), ConfigPlanChecks: scaled(3), Check: counts(id, 3)},
		resource.TestStep{Config: config("9"), ConfigPlanChecks: scaled(7), Check: counts(id, 7)},
		resource.TestStep{Config: config("4"), ConfigPlanChecks: scaled(6), Check: counts(id, 4)},
	)
}

// What happens between the read and the write of the job is not lost: neither a
// scaling nor what the owner registers, even where Nomad lets a write go over it.
func TestPolicyKeepsWhatComesBetweenReadAndWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		between func(id string) error
		kept    func(id string) resource.TestCheckFunc
	}{
		"scaling": {
			func(id string) error { return scaling(id, 4)() },
			func(id string) resource.TestCheckFunc { return counts(id, 4) },
		},
		"owner": {
			func(id string) error { return register(strings.Replace(spec(id, "count = 2"), "3600", "1800", 1)) },
			func(id string) resource.TestCheckFunc {
				return resource.ComposeAggregateTestCheckFunc(counts(id, 2), argument0(id, "1800"), sourceSays(id, "1800"))
			},
		},
		"owner-with-a-block": {
			func(id string) error { return register(spec(id, "count = 2\n"+another)) },
			func(id string) resource.TestCheckFunc { return sourceSays(id, "target-value") },
		},
		"stopping": {
			func(id string) error {
				_, _, err := agent.API.Jobs().Deregister(id, false, nil)
				return err
			},
			isStopped,
		},
	} {
		for _, blind := range []bool{false, true} {
			for _, step := range []string{"create", "update", "destroy"} {
				t.Run(fmt.Sprintf("%s/blind=%t/%s", name, blind, step), func(t *testing.T) {
					t.Parallel()
					id := fmt.Sprintf("policy-between-%s-%t-%s", name, blind, step)
					runByHand(t, spec(id, "count = 1"))
					m := &meddler{before: func() error { return c.between(id) }, blind: blind}
					address := m.start(t)
					first := policy("a", id, `autoscaling = { max_instances = 5 }`)
					second := policy("a", id, `autoscaling = { max_instances = 6 }`)
					checks := resource.ComposeAggregateTestCheckFunc(m.meddled, c.kept(id))
					switch step {
					case "create":
						apply(t, resource.TestStep{Config: configuredAt(address, first), Check: resource.ComposeAggregateTestCheckFunc(checks, bounded(id, 1, 5))})
					case "update":
						apply(t,
							resource.TestStep{Config: first},
							resource.TestStep{Config: configuredAt(address, second), Check: resource.ComposeAggregateTestCheckFunc(checks, bounded(id, 1, 6))},
						)
					case "destroy":
						apply(t,
							resource.TestStep{Config: first},
							resource.TestStep{Config: configuredAt(address, first), Destroy: true, Check: checks},
						)
						if name == "owner-with-a-block" {
							if err := bounded(id, 1, 4)(nil); err != nil {
								t.Error(err)
							}
						} else if err := takenOut(id)(nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
	}
}

// argument0 checks the first argument of a job's command.
func argument0(id, want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err != nil {
			return err
		}
		return differ("the argument", []any{want}, j.TaskGroups[0].Tasks[0].Config["args"])
	}
}

// sourceSays checks what Nomad keeps as the source of a job.
func sourceSays(id, want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err != nil {
			return err
		}
		submission, _, err := agent.API.Jobs().Submission(id, int(*j.Version), nil)
		if err == nil && !strings.Contains(submission.Source, want) {
			err = fmt.Errorf("the source of job %s does not say %s:\n%s", id, want, submission.Source)
		}
		return err
	}
}

func isStopped(id string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err == nil && !*j.Stop {
			err = fmt.Errorf("job %s was started", id)
		}
		return err
	}
}

// A scaling that began before the write can undo it: it writes the whole job as
// it was.
func TestUndonePolicyIsRepeated(t *testing.T) {
	t.Parallel()
	const id = "policy-undone"
	runByHand(t, spec(id, "count = 1\n"+another))
	old := job(t, id)
	m := &meddler{after: func() error {
		*old.TaskGroups[0].Count = 3
		_, _, err := agent.API.Jobs().Register(old, nil)
		return err
	}}
	address := m.start(t)
	applyAndDestroy(t, bounded(id, 1, 4), resource.TestStep{
		Config: configuredAt(address, policy("a", id, `autoscaling = { max_instances = 6 }`)),
		Check:  resource.ComposeAggregateTestCheckFunc(m.meddled, counts(id, 3), bounded(id, 1, 6)),
	})
}

func TestPolicyJobThatVanishesBetweenPlanAndApply(t *testing.T) {
	t.Parallel()
	const id = "policy-vanished"
	purged := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{betweenPlanAndApply(func() error {
		_, _, err := agent.API.Jobs().Deregister(id, true, nil)
		return err
	})}}
	again := func() { runByHand(t, spec(id, "count = 1")) }
	again()
	apply(t,
		resource.TestStep{Config: policy("a", id, `autoscaling = {}`), ConfigPlanChecks: purged, ExpectError: said("Job policy-vanished does not exist in namespace default")},
		resource.TestStep{PreConfig: again, Config: policy("a", id, `autoscaling = {}`)},
		resource.TestStep{
			Config: policy("a", id, `autoscaling = { max_instances = 5 }`), ConfigPlanChecks: purged,
			ExpectError: said("It was removed since this was planned. Plan again: once the job runs, the policy will be attached again."),
		},
		resource.TestStep{PreConfig: again, Config: policy("a", id, `autoscaling = { max_instances = 5 }`), ConfigPlanChecks: acts(plancheck.ResourceActionUpdate)},
	)
}

// A policy that Nomad has taken is in the state, even when nothing more can be
// learned of it.
func TestPolicyIsNotLostWhenItCannotBeReadBack(t *testing.T) {
	t.Parallel()
	const id = "policy-unreadable"
	runByHand(t, spec(id, "count = 1\n"+another))
	m := new(meddler)
	m.after = func() error {
		m.unreadable.Store(1)
		return nil
	}
	address := m.start(t)
	applyAndDestroy(t, bounded(id, 1, 4), resource.TestStep{
		Config: configuredAt(address, policy("a", id, `autoscaling = {}`)), ExpectError: said("no leader"),
	})
}

// A policy that is changed between plan and apply, or right after it was
// written, is not undone before a plan has shown it. The owner's own versions are
// built on.
func TestChangedPolicyIsNotUndoneUnseen(t *testing.T) {
	t.Parallel()
	step := func(id string) func() error {
		return func() error { return rewrite(id, func(j *api.Job) { strategy(j)["scale_up_step"] = "3" }) }
	}
	config := func(id, most string) string { return policy("a", id, `autoscaling = { max_instances = `+most+` }`) }
	shows := func(paths ...string) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": paths}}}}
	}
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		const id = "policy-changed-before"
		runByHand(t, spec(id, "count = 1"))
		apply(t,
			resource.TestStep{Config: config(id, "5")},
			resource.TestStep{
				Config: config(id, "6"), ExpectError: said("another writer has changed autoscaling.scale_up_step"),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{betweenPlanAndApply(step(id))}},
			},
			resource.TestStep{
				PreConfig: func() {
					if err := bounded(id, 1, 5)(nil); err != nil {
						t.Error(err)
					}
				},
				Config:           config(id, "6"),
				ConfigPlanChecks: shows("autoscaling.scale_up_step", "autoscaling.max_instances", "autoscaling.hard_max_instances"),
			},
		)
	})
	t.Run("after", func(t *testing.T) {
		t.Parallel()
		const id = "policy-changed-after"
		runByHand(t, spec(id, "count = 1"))
		m := &meddler{after: step(id)}
		address := m.start(t)
		apply(t,
			resource.TestStep{Config: config(id, "5")},
			resource.TestStep{Config: configuredAt(address, config(id, "6")), ExpectError: said("The job was changed right after it was written")},
			resource.TestStep{Config: config(id, "6"), ConfigPlanChecks: shows("autoscaling.scale_up_step"), Check: bounded(id, 1, 6)},
		)
	})
	t.Run("owner", func(t *testing.T) {
		t.Parallel()
		const id = "policy-rerun-before"
		runByHand(t, spec(id, "count = 1"))
		rerun := betweenPlanAndApply(func() error { return register(strings.Replace(spec(id, "count = 2"), "3600", "1800", 1)) })
		apply(t,
			resource.TestStep{Config: config(id, "5")},
			resource.TestStep{
				Config: config(id, "6"), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{rerun}},
				Check: resource.ComposeAggregateTestCheckFunc(bounded(id, 1, 6), argument0(id, "1800"), counts(id, 2)),
			},
		)
	})
}

// many is a job with several groups, each of which could have a policy.
func many(id string, groups ...string) string {
	var inside strings.Builder
	for _, group := range groups {
		_, body, _ := strings.Cut(spec(id, "count = 1"), "group \"web\"")
		fmt.Fprintf(&inside, "group %q%s\n", group, strings.TrimSuffix(strings.TrimSpace(body), "}"))
	}
	return fmt.Sprintf("job %q {\n%s}", id, inside.String())
}

var severalGroups = []string{"g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g10", "g11", "g12"}

func policiesOf(id string, groups []string, most int) string {
	var config strings.Builder
	for _, group := range groups {
		config.WriteString(strings.Replace(policy(group, id, fmt.Sprintf("autoscaling = { max_instances = %d }", most)), `group  = "web"`, fmt.Sprintf("group = %q", group), 1))
	}
	return config.String()
}

// groupsBounded checks that every group of a job has its own policy.
func groupsBounded(id string, groups []string, most int64) resource.TestCheckFunc {
	return func(*terraform.State) error {
		j, _, err := agent.API.Jobs().Info(id, nil)
		if err != nil {
			return err
		}
		for _, name := range groups {
			g := j.LookupTaskGroup(name)
			if g.Scaling == nil || *g.Scaling.Max != most || *g.Count != 1 {
				return fmt.Errorf("group %s has the count %d and the block %+v, want max %d", name, *g.Count, g.Scaling, most)
			}
		}
		return nil
	}
}

// One apply gives every group of a job its policy, all at the same time.
func TestPoliciesOfAllGroupsInOneApply(t *testing.T) {
	t.Parallel()
	const id = "policy-groups"
	runByHand(t, many(id, severalGroups...))
	applyAndDestroy(t,
		func(*terraform.State) error {
			for _, g := range job(t, id).TaskGroups {
				if g.Scaling != nil {
					return fmt.Errorf("group %s has a scaling block", *g.Name)
				}
			}
			return nil
		},
		resource.TestStep{Config: policiesOf(id, severalGroups, 5), Check: groupsBounded(id, severalGroups, 5)},
		resource.TestStep{Config: policiesOf(id, severalGroups, 6), Check: groupsBounded(id, severalGroups, 6)},
	)
}

// Two applies at once, from states of their own, on the groups of one job.
func TestTwoAppliesAtOnceOnOneJob(t *testing.T) {
	t.Parallel()
	const id = "policy-two-applies"
	runByHand(t, many(id, severalGroups...))
	arrived, here := make(chan struct{}), make(chan struct{})
	// Neither of the two goes on before the other has come as far.
	together := func(arrived, other chan struct{}) betweenPlanAndApply {
		return func() error {
			close(arrived)
			select {
			case <-other:
				return nil
			case <-time.After(time.Minute):
				return errors.New("the other apply did not come this far")
			}
		}
	}
	var both sync.WaitGroup
	for half, meet := range map[int]betweenPlanAndApply{0: together(arrived, here), 1: together(here, arrived)} {
		groups := severalGroups[half*6 : half*6+6]
		// Not in parallel to other tests, as each of the two waits for the other.
		both.Go(func() {
			t.Run(groups[0], func(t *testing.T) {
				apply(t,
					resource.TestStep{
						Config: policiesOf(id, groups, 5), Check: groupsBounded(id, groups, 5),
						ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{meet}},
					},
					resource.TestStep{Config: policiesOf(id, groups, 6), Check: groupsBounded(id, groups, 6)},
				)
			})
		})
	}
	both.Wait()
}

// The deployment that the policy makes is over when the apply is, so that Nomad
// scales the job at once, and is not waited for with detach.
func TestPolicyWaitsForItsDeployment(t *testing.T) {
	t.Parallel()
	scaled := func(id string) error {
		count := 2
		_, _, err := agent.API.Jobs().Scale(id, "web", &count, "", false, nil, nil)
		return err
	}
	awaitSuccess := func(t *testing.T, id string) {
		runByHand(t, deploying(id))
		awaitDeployment(t, id)
	}
	t.Run("attached", func(t *testing.T) {
		t.Parallel()
		const id = "policy-deployed"
		awaitSuccess(t, id)
		apply(t, resource.TestStep{
			Config: policy("a", id, `autoscaling = {}`),
			Check:  func(*terraform.State) error { return scaled(id) },
		})
	})
	t.Run("detached", func(t *testing.T) {
		t.Parallel()
		const id = "policy-detached"
		awaitSuccess(t, id)
		apply(t, resource.TestStep{
			Config: policy("a", id, "autoscaling = {}\n detach = true"),
			Check: func(*terraform.State) error {
				if err := scaled(id); err == nil || !strings.Contains(err.Error(), "active deployment") {
					return fmt.Errorf("scaling while the deployment runs: %w", err)
				}
				return nil
			},
		})
	})
	t.Run("failing", func(t *testing.T) {
		t.Parallel()
		const id = "policy-failing"
		runByHand(t, strings.NewReplacer("/bin/sleep", "/bin/false", `health_check = "task_states"`, "progress_deadline = \"2s\"\n healthy_deadline = \"1s\"\n min_healthy_time = \"0s\"").Replace(strings.Replace(deploying(id), `min_healthy_time = "1s"`, "", 1)))
		// The job's owner has to correct what is wrong with the job: the policy is there,
		// and no other apply is needed.
		apply(t, resource.TestStep{
			Config: policy("a", id, "autoscaling = {}\n timeouts = { create = \"20s\" }"), Check: bounded(id, 1, 10),
		})
	})
}

// awaitDeployment waits until the newest deployment of a job is successful.
func awaitDeployment(t *testing.T, id string) {
	t.Helper()
	nomadtest.Eventually(t, 30*time.Second, "a successful deployment", func() bool {
		d, _, err := agent.API.Jobs().LatestDeployment(id, nil)
		return err == nil && d != nil && d.Status == api.DeploymentStatusSuccessful
	})
}
