package provider

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// strategy is the policy document in a job's scaling block.
func strategy(j *api.Job) map[string]any {
	body := func(value any) map[string]any { return value.([]any)[0].(map[string]any) }
	return body(body(check(j)["strategy"])["nomadscale"])
}

func check(j *api.Job) map[string]any {
	body := func(value any) map[string]any { return value.([]any)[0].(map[string]any) }
	return body(body(j.TaskGroups[0].Scaling.Policy["check"])["load"])
}

// planned are the changes that a plan has for each resource, by path.
type planned struct {
	// want are the paths that must change; of a resource that is not named, none.
	want map[string][]string
}

// CheckPlan compares them.
func (p planned) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, change := range req.Plan.ResourceChanges {
		got := changes("", change.Change.Before, change.Change.After)
		slices.Sort(got)
		want := slices.Clone(p.want[change.Name])
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			resp.Error = fmt.Errorf("the plan of %s changes other paths than those wanted (-want +got):\n%s", change.Address, diff)
			return
		}
	}
}

func changes(path string, before, after any) []string {
	a, isMap := before.(map[string]any)
	b, alsoMap := after.(map[string]any)
	if !isMap || !alsoMap {
		if reflect.DeepEqual(before, after) {
			return nil
		}
		return []string{path}
	}
	var paths []string
	for key := range merged(a, b) {
		inner := key
		if path != "" {
			inner = path + "." + key
		}
		paths = append(paths, changes(inner, a[key], b[key])...)
	}
	return paths
}

func merged(a, b map[string]any) map[string]bool {
	all := make(map[string]bool)
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	return all
}

// declarations are the resources with a policy: for a job of their own, and for
// one that was run by hand.
var declarations = map[string]func(t *testing.T, name, id, arguments string) string{
	"nomadscale_app": func(_ *testing.T, name, id, arguments string) string {
		return app(name, spec(id, ""), arguments)
	},
	"nomadscale_policy": func(t *testing.T, name, id, arguments string) string {
		runByHand(t, spec(id, "count = 0"))
		return policy(name, id, arguments)
	},
}

// Of a change of the policy by hand, the plan shows that attribute and no other, and
// applying undoes it.
func TestEveryAttributeShowsItsDrift(t *testing.T) {
	t.Parallel()
	for kind, declare := range declarations {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			everyAttributeShowsItsDrift(t, kind, declare)
		})
	}
}

func everyAttributeShowsItsDrift(t *testing.T, kind string, declare func(t *testing.T, name, id, arguments string) string) {
	const zero = "autoscaling = { min_instances = 0 }"
	document := func(key, value string) func(*api.Job) {
		return func(j *api.Job) { strategy(j)[key] = value }
	}
	cases := map[string]struct {
		declared string // "" for zero
		edit     func(*api.Job)
	}{
		"enabled":            {"", func(j *api.Job) { *j.TaskGroups[0].Scaling.Enabled = false }},
		"hard_min_instances": {"autoscaling = { min_instances = 1, hard_min_instances = 1 }", func(j *api.Job) { *j.TaskGroups[0].Scaling.Min = 0 }},
		"hard_max_instances": {"", func(j *api.Job) { *j.TaskGroups[0].Scaling.Max = 20 }},
		"target": {"", func(j *api.Job) {
			j.TaskGroups[0].Scaling.Policy["target"] = []any{map[string]any{"nomadscale": []any{map[string]any{}}}}
		}},
		"evaluation_interval":             {"", func(j *api.Job) { j.TaskGroups[0].Scaling.Policy["evaluation_interval"] = "20s" }},
		"source":                          {"", func(j *api.Job) { check(j)["source"] = "prometheus" }},
		"query":                           {"", func(j *api.Job) { check(j)["query"] = "up" }},
		"min_instances":                   {"", document("min_instances", "1")},
		"max_instances":                   {"", document("max_instances", "9")},
		"buffer_instances":                {"", document("buffer_instances", "1")},
		"metric":                          {"", document("metric", "concurrency")},
		"target_requests_per_instance":    {"", document("target_requests_per_instance", "50")},
		"target_concurrency_per_instance": {`autoscaling = { min_instances = 0, metric = "concurrency" }`, document("target_concurrency_per_instance", "2.5")},
		"target_per_instance":             {`autoscaling = { min_instances = 0, metric = "custom", target_per_instance = 2, source = "prometheus", query = "up" }`, document("target_per_instance", "3")},
		"scale_up_threshold":              {"", document("scale_up_threshold", "0.8")},
		"scale_down_threshold":            {"", document("scale_down_threshold", "0.25")},
		"scale_up_cooldown":               {"", document("scale_up_cooldown", "301s")},
		"scale_down_cooldown":             {"", document("scale_down_cooldown", "1h")},
		"scale_up_step":                   {"", document("scale_up_step", "0")},
		"scale_down_step":                 {"", document("scale_down_step", "2")},
		"stop_after_inactive":             {"", document("stop_after_inactive", "5m")},
		"price_per_instance_second":       {"", document("price_per_instance_second", "0.0001")},
		"service_selection_mode":          {"", document("service_selection_mode", "min_load")},
		"hash_key":                        {zero + "\n" + `service_selection_mode = "hash"`, document("hash_key", "header:X-User")},
		"max_concurrency_per_instance":    {"", document("max_concurrency_per_instance", "8")},
		"request_timeout":                 {"", document("request_timeout", "0s")},
		"start_timeout":                   {"", document("start_timeout", "2m")},
		"max_queued_requests":             {"", document("max_queued_requests", "1e+06")},
		"rate_limit":                      {"", document("rate_limit", "5")},
		"rate_limit_burst":                {zero + "\n" + `routing = { rate_limit = 10 }`, document("rate_limit_burst", "60")},
		"port":                            {"", document("port", "http")},
		"hosts":                           {zero + "\n" + `routing = { hosts = ["A.example.com"] }`, document("hosts", "a.example.com,b.example.com")},
		"path_prefix":                     {"", document("path_prefix", "/x/")},
		"ready_path":                      {"", document("ready_path", "/healthz")},
	}
	var config strings.Builder
	want := make(map[string][]string)
	for _, f := range fields {
		c, ok := cases[f.Name]
		if !ok {
			t.Errorf("%s has no case", f.Name)
			continue
		}
		if c.declared == "" {
			c.declared = zero
		}
		config.WriteString(declare(t, f.Name, kind+"-"+f.Name, c.declared))
		want[f.Name] = []string{f.path().String()}
	}
	apply(t,
		resource.TestStep{Config: config.String()},
		resource.TestStep{
			PreConfig: func() {
				for name, c := range cases {
					change(t, kind+"-"+name, c.edit)
				}
			},
			Config:           config.String(),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{want}}},
		},
	)
}

// A policy that says the same in other words has not drifted.
func TestOtherWordsAreNoDrift(t *testing.T) {
	t.Parallel()
	const id = "other-words"
	config := app("a", spec(id, ""), `autoscaling = { scale_up_cooldown = 300 }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				change(t, id, func(j *api.Job) {
					strategy(j)["scale_up_cooldown"] = "5m"
					strategy(j)["scale_down_cooldown"] = 600
					strategy(j)["scale_up_threshold"] = 0.9
					delete(strategy(j), "scale_up_step")
				})
			},
			Config: config, PlanOnly: true,
		},
	)
}

// The plan quotes any other change in an app's job, and applying
// undoes it. Of a job that something else owns, that is so of the scaling block.
func TestDriftOutsideOfThePolicy(t *testing.T) {
	t.Parallel()
	for kind, declare := range declarations {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			driftOutsideOfThePolicy(t, kind, declare)
		})
	}
}

func driftOutsideOfThePolicy(t *testing.T, kind string, declare func(t *testing.T, name, id, arguments string) string) {
	const task = "group.web.task.app"
	const block = "group.web.scaling.policy"
	all := []string{autoscaling, routing, serviceSelectionMode}
	cases := map[string]struct {
		edit func(j *api.Job)
		want []string
	}{
		"command":       {func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["args"] = []any{"7200"} }, []string{"drift." + task + ".config.args"}},
		"environment":   {func(j *api.Job) { j.TaskGroups[0].Tasks[0].Env = map[string]string{"A": "1"} }, []string{"drift." + task + ".env.A"}},
		"resources":     {func(j *api.Job) { *j.TaskGroups[0].Tasks[0].Resources.MemoryMB = 12 }, []string{"drift." + task + ".resources.memory"}},
		"task":          {func(j *api.Job) { j.TaskGroups[0].Tasks = append(j.TaskGroups[0].Tasks, sidecar(j)) }, []string{"drift.group.web.task.side"}},
		"update":        {func(j *api.Job) { *j.TaskGroups[0].Update.MaxParallel = 2 }, []string{"drift.group.web.update.max_parallel"}},
		"priority":      {func(j *api.Job) { *j.Priority = 60 }, []string{"drift.priority"}},
		"meta":          {func(j *api.Job) { j.Meta = map[string]string{"team.name": "x"} }, []string{`drift.meta."team.name"`}},
		"block":         {func(j *api.Job) { j.TaskGroups[0].Scaling = nil }, all},
		"strategy":      {func(j *api.Job) { check(j)["strategy"] = []any{map[string]any{"threshold": []any{map[string]any{}}}} }, all},
		"unknown_key":   {func(j *api.Job) { strategy(j)["colour"] = "red" }, []string{"drift." + block + ".check.load.strategy.nomadscale.colour"}},
		"wrong_value":   {func(j *api.Job) { strategy(j)["scale_up_step"] = "several" }, []string{"drift." + block + ".check.load.strategy.nomadscale.scale_up_step"}},
		"contradiction": {func(j *api.Job) { strategy(j)["min_instances"] = "20" }, []string{"autoscaling.min_instances"}},
		"target":        {func(j *api.Job) { strategy(j)["group"] = "api" }, []string{"drift." + block + ".check.load.strategy.nomadscale.group"}},
		"cooldown":      {func(j *api.Job) { j.TaskGroups[0].Scaling.Policy["cooldown"] = "5m" }, []string{"drift." + block + ".cooldown"}},
		"second_check":  {func(j *api.Job) { addCheck(j) }, []string{"drift." + block + ".check.second.query", "drift." + block + ".check.second.source"}},
	}
	var config strings.Builder
	want := make(map[string][]string)
	for name, c := range cases {
		config.WriteString(declare(t, name, kind+"-else-"+name, "autoscaling = { min_instances = 0 }"))
		if inBlock := slices.Equal(c.want, all) || strings.Contains(c.want[0], block) || strings.HasPrefix(c.want[0], autoscaling); inBlock || kind == "nomadscale_app" {
			want[name] = c.want
		}
	}
	apply(t,
		resource.TestStep{Config: config.String()},
		resource.TestStep{
			PreConfig: func() {
				for name, c := range cases {
					change(t, kind+"-else-"+name, c.edit)
				}
			},
			Config:           config.String(),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{want}}},
		},
	)
}

func sidecar(j *api.Job) *api.Task {
	side := *j.TaskGroups[0].Tasks[0]
	side.Name = "side"
	return &side
}

func addCheck(j *api.Job) {
	policy := j.TaskGroups[0].Scaling.Policy
	policy["check"] = append(policy["check"].([]any), map[string]any{"second": []any{map[string]any{"source": "prometheus", "query": "up"}}})
}

func TestStoppedJobIsStartedAgain(t *testing.T) {
	t.Parallel()
	const id = "stopped"
	config := app("a", spec(id, ""), `autoscaling = { min_instances = 1 }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				if _, _, err := agent.API.Jobs().Deregister(id, false, nil); err != nil {
					t.Fatal(err)
				}
			},
			Config:           config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": {"drift.stop"}}}}},
			Check:            runs(id),
		},
	)
}

func TestPurgedJobIsCreatedAgain(t *testing.T) {
	t.Parallel()
	const id = "purged"
	config := app("a", spec(id, ""), `autoscaling = { min_instances = 1 }`)
	apply(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				if _, _, err := agent.API.Jobs().Deregister(id, true, nil); err != nil {
					t.Fatal(err)
				}
			},
			Config:           config,
			ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			Check:            runs(id),
		},
	)
}
