package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// betweenPlanAndApply runs after a plan is saved and before it is applied.
type betweenPlanAndApply func() error

// CheckPlan runs it.
func (f betweenPlanAndApply) CheckPlan(_ context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = f()
}

func scaling(id string, count int) betweenPlanAndApply {
	return func() error {
		_, _, err := agent.API.Jobs().Scale(id, "web", &count, "between plan and apply", false, nil, nil)
		return err
	}
}

func TestPlanIsEmptyWhileTheCountMoves(t *testing.T) {
	t.Parallel()
	const id = "moving"
	config := app("a", spec(id, ""), `autoscaling = { min_instances = 0, max_instances = 5 }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: func() { scale(t, id, 3) }, Config: config, PlanOnly: true},
		resource.TestStep{PreConfig: func() { scale(t, id, 0) }, Config: config, PlanOnly: true},
	)
}

// A plan that was saved at one count applies at another one, which stays unless
// the new bounds no longer allow it.
func TestSavedPlanSurvivesScaling(t *testing.T) {
	t.Parallel()
	const id = "saved-plan"
	config := func(seconds, bounds string) string {
		return app("a", strings.Replace(spec(id, "count = 3"), "3600", seconds, 1), "autoscaling = { "+bounds+" }")
	}
	// planned at count 3 and applied at another
	saved := func(config string, between, want int) resource.TestStep {
		return resource.TestStep{
			PreConfig:        func() { scale(t, id, 3) },
			Config:           config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(a, plancheck.ResourceActionUpdate), scaling(id, between)}},
			Check:            counts(id, want),
		}
	}
	apply(t,
		resource.TestStep{Config: config("3600", "min_instances = 0, max_instances = 10"), Check: counts(id, 3)},
		saved(config("3600", "min_instances = 0, max_instances = 9"), 7, 7),  // another policy
		saved(config("1800", "min_instances = 0, max_instances = 9"), 7, 7),  // another jobspec
		saved(config("1800", "min_instances = 0, max_instances = 5"), 7, 5),  // a maximum below
		saved(config("1800", "min_instances = 2, max_instances = 10"), 0, 2), // a minimum above
	)
}

func TestScalingBetweenReadAndWriteIsNotLost(t *testing.T) {
	t.Parallel()
	const id = "read-write"
	m := &meddler{before: scaling(id, 4)}
	address := m.start(t)
	apply(t,
		resource.TestStep{Config: app("a", spec(id, ""), `autoscaling = { max_instances = 5 }`)},
		resource.TestStep{
			Config: configuredAt(address, app("a", spec(id, ""), `autoscaling = { max_instances = 6 }`)),
			Check:  resource.ComposeAggregateTestCheckFunc(m.meddled, counts(id, 4)),
		},
	)
}

// Nomad can undo a registration with a scaling that began before it: the
// scaling writes the whole job as it was.
func TestUndoneRegistrationIsRepeated(t *testing.T) {
	t.Parallel()
	const id = "undone"
	m := &meddler{}
	var old *api.Job
	m.after = func() error {
		*old.TaskGroups[0].Count = 3
		_, _, err := agent.API.Jobs().Register(old, nil)
		return err
	}
	address := m.start(t)
	apply(t,
		resource.TestStep{Config: app("a", spec(id, ""), `autoscaling = { max_instances = 5 }`)},
		resource.TestStep{
			PreConfig: func() { old = job(t, id) },
			Config:    configuredAt(address, app("a", spec(id, ""), `autoscaling = { max_instances = 6 }`)),
			Check: resource.ComposeAggregateTestCheckFunc(m.meddled, counts(id, 3), func(*terraform.State) error {
				if got := *job(t, id).TaskGroups[0].Scaling.Max; got != 6 {
					return fmt.Errorf("max is %d, want 6", got)
				}
				return nil
			}),
		},
	)
}

func TestJobThatVanishesBetweenPlanAndApply(t *testing.T) {
	t.Parallel()
	const id = "vanished"
	purge := betweenPlanAndApply(func() error {
		_, _, err := agent.API.Jobs().Deregister(id, true, nil)
		return err
	})
	apply(t,
		resource.TestStep{Config: app("a", spec(id, ""), `autoscaling = {}`)},
		resource.TestStep{
			Config:           app("a", spec(id, ""), `autoscaling = { max_instances = 5 }`),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{purge}},
			ExpectError:      said("It was removed since this was planned. Plan again: the job will be created."),
		},
	)
}

// Terraform does not let an update that was planned become a replacement: it
// ends the apply, with the provider's warning that says why. Nothing is done.
func TestJobIDThatChangesWhileApplying(t *testing.T) {
	t.Parallel()
	config := func(id string) string {
		return "resource \"terraform_data\" \"name\" {\n  input = \"" + id + "\"\n}\n" +
			app("a", spec("${terraform_data.name.output}", ""), `autoscaling = { min_instances = 0 }`)
	}
	apply(t,
		resource.TestStep{Config: config("renamed-a")},
		resource.TestStep{Config: config("renamed-b"), ExpectError: said("changed the planned action from Update to DeleteThenCreate")},
		resource.TestStep{
			PreConfig: func() {
				if j := job(t, "renamed-a"); *j.Stop {
					t.Error("the job was stopped")
				}
			},
			Config: config("renamed-b"), ConfigPlanChecks: action(plancheck.ResourceActionReplace),
		},
	)
}

// A job that Nomad has taken is in the state, even when nothing more can be
// learned of it: destroying finds it.
func TestCreatedJobIsNotLostWhenItCannotBeReadBack(t *testing.T) {
	t.Parallel()
	const id = "unreadable"
	m := new(meddler)
	m.after = func() error {
		m.unreadable.Store(1)
		return nil
	}
	address := m.start(t)
	applyAndDestroy(t, gone(id), resource.TestStep{
		Config:      configuredAt(address, app("a", spec(id, ""), `autoscaling = {}`)),
		ExpectError: said("no leader"),
	})
}

// deploying is a job whose deployment takes a second.
func deploying(id string) string {
	return strings.Replace(spec(id, "count = 1"), "max_parallel = 0", "max_parallel = 1\n min_healthy_time = \"1s\"\n health_check = \"task_states\"", 1)
}

// A scaling that gets past the lock of a deployment cancels it. What the newer
// version starts is waited for, be it nothing.
func TestScalingWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]int{"up": 2, "to-zero": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "waiting-" + name
			m := &meddler{waiting: func() error {
				j, _, err := agent.API.Jobs().Info(id, nil)
				if err == nil {
					j.TaskGroups[0].Count = &to
					_, _, err = agent.API.Jobs().Register(j, nil)
				}
				return err
			}}
			address := m.start(t)
			apply(t, resource.TestStep{
				Config: configuredAt(address, app("a", deploying(id), `autoscaling = { min_instances = 0 }`)),
				Check: resource.ComposeAggregateTestCheckFunc(m.meddled, counts(id, to), func(*terraform.State) error {
					deployments, _, err := agent.API.Jobs().Deployments(id, false, nil)
					for _, d := range deployments {
						if d.Status == api.DeploymentStatusRunning {
							err = errors.Join(err, fmt.Errorf("deployment %s is still running", d.ID))
						}
					}
					return err
				}),
			})
		})
	}
}

func TestStoppingWhileWaiting(t *testing.T) {
	t.Parallel()
	const id = "waiting-stopped"
	m := &meddler{waiting: func() error {
		_, _, err := agent.API.Jobs().Deregister(id, false, nil)
		return err
	}}
	address := m.start(t)
	apply(t, resource.TestStep{
		Config:      configuredAt(address, app("a", deploying(id), `autoscaling = {}`)),
		ExpectError: said("it was stopped meanwhile"),
	})
}

func TestCanariesAreLeftToPromote(t *testing.T) {
	t.Parallel()
	const id = "canary"
	spec := strings.Replace(deploying(id), "max_parallel = 1", "max_parallel = 1\n canary = 1", 1)
	apply(t,
		resource.TestStep{Config: app("a", spec, `autoscaling = {}`)},
		resource.TestStep{
			Config: app("a", strings.Replace(spec, "3600", "1800", 1), `autoscaling = {}`),
			Check: func(*terraform.State) error {
				d, _, err := agent.API.Jobs().LatestDeployment(id, nil)
				if err == nil && !strings.Contains(d.StatusDescription, "promotion") {
					err = fmt.Errorf("the deployment is %s: %s", d.Status, d.StatusDescription)
				}
				return err
			},
		},
	)
}
