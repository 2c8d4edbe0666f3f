package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// Any change of a job between plan and apply ends the apply, because
// the plan did not show it. Nothing is written; the next plan shows it, and then
// it is undone. The count stays.
func TestChangesByHandBetweenPlanAndApply(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(id string) error
		want   []string // what the next plan shows in addition to max_instances
	}{
		"policy": {func(id string) error {
			return rewrite(id, func(j *api.Job) { strategy(j)["scale_up_step"] = "3" })
		}, []string{"autoscaling.scale_up_step"}},
		"task": {func(id string) error {
			return rewrite(id, func(j *api.Job) { j.TaskGroups[0].Tasks[0].Env = map[string]string{"A": "1"} })
		}, []string{"drift.group.web.task.app.env.A"}},
		// As `nomad job run` does with a file that knows of no policy.
		"rerun": {func(id string) error { return register(spec(id, "count = 2")) }, []string{autoscaling, routing, serviceSelectionMode}},
		"stopped": {func(id string) error {
			_, _, err := agent.API.Jobs().Deregister(id, false, nil)
			return err
		}, []string{"drift.stop"}},
		"regrouped": {func(id string) error {
			return register(strings.Replace(spec(id, "count = 2"), `group "web"`, `group "api"`, 1))
		}, []string{autoscaling, routing, serviceSelectionMode, "drift.group.api", "drift.group.web"}},
	}
	id := func(name string) string { return "conflict-" + name }
	config := func(most string) string {
		var all strings.Builder
		for name := range cases {
			all.WriteString(app(name, spec(id(name), "count = 2"), `autoscaling = { max_instances = `+most+` }`))
		}
		return all.String()
	}
	left := make(map[string]uint64)
	byHand := betweenPlanAndApply(func() error {
		for name, c := range cases {
			if err := c.change(id(name)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			left[name] = *job(t, id(name)).JobModifyIndex
		}
		return nil
	})
	want := make(map[string][]string)
	for name, c := range cases {
		want[name] = c.want
		if !slices.Contains(c.want, autoscaling) {
			want[name] = append(want[name], "autoscaling.hard_max_instances", "autoscaling.max_instances")
		}
	}
	apply(t,
		resource.TestStep{Config: config("5")},
		resource.TestStep{
			Config:           config("6"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{byHand}},
			ExpectError:      said("The job was changed since this was planned"),
		},
		resource.TestStep{
			PreConfig: func() {
				for name, index := range left {
					if now := *job(t, id(name)).JobModifyIndex; now != index {
						t.Errorf("%s: the job was written over: index %d, was %d", name, now, index)
					}
				}
			},
			Config:           config("6"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{want}}},
			Check: func(s *terraform.State) error {
				for name := range cases {
					if err := counts(id(name), 2)(s); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
				}
				return nil
			},
		},
	)
}

// A change by hand that comes between the check of what is there and the write
// is noticed too, as is one that comes right after the write.
func TestChangesByHandDuringTheWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meddle func(m *meddler, change func() error)
		says   string
		want   []string
	}{
		"before": {
			func(m *meddler, change func() error) { m.before = change },
			"another writer has changed group.web.task.app.env.A. Nothing was written",
			[]string{"autoscaling.hard_max_instances", "autoscaling.max_instances", "drift.group.web.task.app.env.A"},
		},
		"unseen": {
			func(m *meddler, change func() error) { m.before, m.blind = change, true },
			"another writer has changed group.web.task.app.env.A",
			[]string{"autoscaling.hard_max_instances", "autoscaling.max_instances", "drift.group.web.task.app.env.A"},
		},
		"after": {
			func(m *meddler, change func() error) { m.after = change },
			"The job was changed right after it was written",
			[]string{"drift.group.web.task.app.env.A"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "during-" + name
			m := new(meddler)
			c.meddle(m, func() error {
				return rewrite(id, func(j *api.Job) {
					j.TaskGroups[0].Tasks[0].Env = map[string]string{"A": "1"}
					*j.TaskGroups[0].Count = 3
				})
			})
			address := m.start(t)
			changed := app("a", spec(id, ""), `autoscaling = { max_instances = 6 }`)
			apply(t,
				resource.TestStep{Config: app("a", spec(id, ""), `autoscaling = { max_instances = 5 }`)},
				resource.TestStep{Config: configuredAt(address, changed), ExpectError: said(c.says)},
				resource.TestStep{
					PreConfig: func() {
						if env := job(t, id).TaskGroups[0].Tasks[0].Env; env["A"] != "1" {
							t.Error("the change by hand is lost")
						}
					},
					Config:           changed,
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": c.want}}}},
					Check:            resource.ComposeAggregateTestCheckFunc(m.meddled, counts(id, 3)),
				},
			)
		})
	}
}

// Of two that create a job at once, where Nomad takes both, the one that came
// first has it.
func TestJobThatIsCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	const id = "created-meanwhile"
	m := &meddler{before: func() error { return register(strings.Replace(spec(id, "count = 2"), "3600", "1800", 1)) }, blind: true}
	address := m.start(t)
	apply(t,
		resource.TestStep{Config: configuredAt(address, app("a", spec(id, ""), `autoscaling = {}`)), ExpectError: said("The job exists already")},
		resource.TestStep{
			PreConfig: func() {
				j := job(t, id)
				if args := fmt.Sprint(j.TaskGroups[0].Tasks[0].Config["args"]); args != "[1800]" || *j.TaskGroups[0].Count != 2 || j.TaskGroups[0].Scaling != nil {
					t.Errorf("the job runs %s in %d instances, want what was registered first", args, *j.TaskGroups[0].Count)
				}
			},
			Config:      app("a", spec(id, ""), `autoscaling = {}`),
			ExpectError: said("The job exists already"),
		},
	)
}

// A job that is run under another name is another job: the one that is
// declared is created again, and the other one is left alone.
func TestJobThatIsRenamedByHand(t *testing.T) {
	t.Parallel()
	const id, other = "named", "named-by-hand"
	config := app("a", spec(id, ""), `autoscaling = {}`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				if err := rewrite(id, func(j *api.Job) { *j.ID, *j.Name = other, other }); err != nil {
					t.Fatal(err)
				}
				if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
					t.Fatal(err)
				}
			},
			Config:           config,
			ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			Check:            resource.ComposeAggregateTestCheckFunc(runs(id), runs(other)),
		},
	)
}

func TestWhatChangedIsNamed(t *testing.T) {
	t.Parallel()
	state := func(set settings, drift map[string]string) appModelV0 {
		return appModelV0{scalingModel: newScalingModel(set, nil), Drift: driftValue(drift)}
	}
	for _, c := range []struct {
		name          string
		before, later appModelV0
		want          []string
	}{
		{"nothing", state(settings{"max_instances": "5"}, nil), state(settings{"max_instances": "5"}, nil), nil},
		{"a value", state(settings{"max_instances": "5"}, nil), state(settings{"max_instances": "6"}, nil), []string{"autoscaling.max_instances"}},
		{"a value that is gone", state(settings{"rate_limit": "5"}, nil), state(nil, nil), []string{"routing.rate_limit"}},
		{"a new drift", state(nil, nil), state(nil, map[string]string{"priority": "60"}), []string{"priority"}},
		{"the same drift", state(nil, map[string]string{"priority": "60"}), state(nil, map[string]string{"priority": "60"}), nil},
		{"another drift", state(nil, map[string]string{"priority": "60"}), state(nil, map[string]string{"priority": "70"}), []string{"priority"}},
		{"a drift that was undone", state(nil, map[string]string{"priority": "60"}), state(nil, nil), []string{"priority"}},
		{
			"the policy as a whole", state(settings{"max_instances": "5"}, nil), appModelV0{scalingModel: noScaling(), Drift: driftValue(nil)},
			[]string{"autoscaling.max_instances"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.before.changes(c.later)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
