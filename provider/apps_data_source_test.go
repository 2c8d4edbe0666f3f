package provider

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// reading is a data source "d" whose whole value is an output, so that a plan is
// not empty when it reads otherwise the second time.
func reading(kind, inside string) string {
	return fmt.Sprintf("data %[1]q \"d\" {\n%[2]s\n}\noutput \"all\" {\n  value     = data.%[1]s.d\n  sensitive = true\n}\n", kind, inside)
}

// newNamespace makes a namespace, so that what is listed in it is known.
func newNamespace(t *testing.T, name string) {
	t.Helper()
	if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: name}, nil); err != nil {
		t.Fatal(err)
	}
}

// registerIn runs an app without instances; change makes its job other than it
// would be.
func registerIn(t *testing.T, namespace, job string, document scaler.Document, change func(*api.Job)) scaler.Policy {
	t.Helper()
	whole := scaler.Document{"namespace": namespace, "min_instances": "0"}
	for key, value := range document {
		whole[key] = value
	}
	p := nomadtest.Policy(t, job, whole)
	j := nomadtest.Job(p)
	if change != nil {
		change(j)
	}
	agent.Register(t, j)
	return p
}

func TestApps(t *testing.T) {
	t.Parallel()
	const namespace = "listed"
	newNamespace(t, namespace)
	p := registerIn(t, namespace, "shop/web", scaler.Document{"max_instances": "7", "buffer_instances": "2", "service_selection_mode": "min_load"}, nil)
	registerIn(t, namespace, "shop/off", nil, func(j *api.Job) { j.TaskGroups[0].Scaling.Enabled = new(false) })
	registerIn(t, namespace, "wrong", nil, func(j *api.Job) { strategy(j)["max_instances"] = "many" })
	registerIn(t, namespace, "another", nil, func(j *api.Job) {
		j.TaskGroups[0].Scaling.Policy = map[string]any{"cooldown": "1m"}
	})
	d := scaler.Decide(p, scaler.Observation{Desired: 0, Series: []scaler.Sample{{Value: 50}}})
	if err := agent.Client.Scale(t.Context(), p.App, agent.Status(t, p), d); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, 30*time.Second, "the instances to run", func() bool { return agent.Status(t, p).Running == d.Count })

	web := knownvalue.ObjectExact(map[string]knownvalue.Check{
		"id": knownvalue.StringExact("listed/shop/web/app"), "namespace": knownvalue.StringExact(namespace),
		"job_id": knownvalue.StringExact("shop/web"), "group": knownvalue.StringExact("app"),
		"valid": knownvalue.Bool(true), "error": knownvalue.Null(), "enabled": knownvalue.Bool(true), "stopped": knownvalue.Bool(false),
		"desired": knownvalue.Int64Exact(int64(d.Count)), "running": knownvalue.Int64Exact(int64(d.Count)),
		"min_instances": knownvalue.Int64Exact(0), "max_instances": knownvalue.Int64Exact(7), "buffer_instances": knownvalue.Int64Exact(2),
		"metric": knownvalue.StringExact("requests_per_minute"), "service_selection_mode": knownvalue.StringExact("min_load"),
		"last_action": knownvalue.ObjectExact(map[string]knownvalue.Check{
			"time": knownvalue.NotNull(), "from": knownvalue.Int64Exact(0), "to": knownvalue.Int64Exact(int64(d.Count)),
			"rule": knownvalue.StringExact("activate"), "reason": knownvalue.StringExact(d.Reason()),
		}),
	})
	off := knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"id": knownvalue.StringExact("listed/shop/off/app"), "enabled": knownvalue.Bool(false), "desired": knownvalue.Int64Exact(0), "last_action": knownvalue.Null(),
	})
	wrong := knownvalue.ObjectPartial(map[string]knownvalue.Check{
		"id": knownvalue.StringExact("listed/wrong/app"), "valid": knownvalue.Bool(false), "enabled": knownvalue.Null(), "max_instances": knownvalue.Null(),
		"error":   knownvalue.StringExact(`check load: max_instances = "many": must be a whole number from 1 to 1000000000`),
		"desired": knownvalue.Int64Exact(0),
	})
	listed := func(inside string, apps ...knownvalue.Check) resource.TestStep {
		return resource.TestStep{
			Config: reading("nomadscale_apps", inside),
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("data.nomadscale_apps.d", tfjsonpath.New("apps"), knownvalue.ListExact(apps)),
			},
		}
	}
	apply(t,
		listed(`namespace = "listed"`, off, web, wrong),
		listed(`namespace = "listed"`+"\n"+`prefix = "shop/"`, off, web),
		listed(`namespace = "listed"`+"\n"+`enabled = true`, web),
		listed(`namespace = "listed"`+"\n"+`enabled = false`, off),
		listed(`namespace = "nowhere"`),
	)
}

// Without a namespace, the apps of all of them are listed.
func TestAppsOfAllNamespaces(t *testing.T) {
	t.Parallel()
	const prefix = "everywhere"
	for _, namespace := range []string{"default", "listed-too"} {
		newNamespace(t, namespace)
		registerIn(t, namespace, prefix, nil, nil)
	}
	id := func(id string) knownvalue.Check {
		return knownvalue.ObjectPartial(map[string]knownvalue.Check{"id": knownvalue.StringExact(id)})
	}
	apply(t, resource.TestStep{
		Config: reading("nomadscale_apps", `prefix = "everywhere"`),
		ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownValue("data.nomadscale_apps.d", tfjsonpath.New("apps"),
			knownvalue.ListExact([]knownvalue.Check{id("default/everywhere/app"), id("listed-too/everywhere/app")}))},
	})
	apply(t, resource.TestStep{
		Config:      configuredAt("http://127.0.0.1:1", reading("nomadscale_apps", "")),
		ExpectError: said("Nomad is looked for at http://127.0.0.1:1"),
	})
}

func TestScalingEvents(t *testing.T) {
	t.Parallel()
	p := registerIn(t, "default", "eventful", nil, nil)
	target := p.App
	d := scaler.Decide(p, scaler.Observation{Desired: 0, Series: []scaler.Sample{{Value: 150}}})
	if err := agent.Client.Scale(t.Context(), p.App, agent.Status(t, p), d); err != nil {
		t.Fatal(err)
	}
	if err := agent.Client.SetCount(t.Context(), p.App, nomad.Change{From: d.Count, To: 0, Reason: "by hand"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := agent.API.Jobs().Scale(target.Job, target.Group, nil, "it failed", true, nil, nil); err != nil {
		t.Fatal(err)
	}
	unknown := map[string]knownvalue.Check{"time": knownvalue.NotNull()}
	for _, name := range []string{"rule", "by", "load", "demand", "utilisation", "goal", "min_instances", "max_instances", "buffer_instances", "override_until"} {
		unknown[name] = knownvalue.Null()
	}
	event := func(checks ...map[string]knownvalue.Check) knownvalue.Check {
		all := make(map[string]knownvalue.Check)
		for _, one := range append([]map[string]knownvalue.Check{unknown}, checks...) {
			for name, check := range one {
				all[name] = check
			}
		}
		return knownvalue.ObjectExact(all)
	}
	failed := event(map[string]knownvalue.Check{
		"from": knownvalue.Int64Exact(0), "to": knownvalue.Int64Exact(0), "direction": knownvalue.StringExact("none"),
		"reason": knownvalue.StringExact("it failed"), "failed": knownvalue.Bool(true),
	})
	byHand := event(map[string]knownvalue.Check{
		"from": knownvalue.Int64Exact(int64(d.Count)), "to": knownvalue.Int64Exact(0), "direction": knownvalue.StringExact("down"),
		"reason": knownvalue.StringExact("by hand"), "failed": knownvalue.Bool(false),
	})
	decided := event(map[string]knownvalue.Check{
		"from": knownvalue.Int64Exact(0), "to": knownvalue.Int64Exact(int64(d.Count)), "direction": knownvalue.StringExact("up"),
		"reason": knownvalue.StringExact(d.Reason()), "failed": knownvalue.Bool(false), "rule": knownvalue.StringExact("activate"),
		"by": knownvalue.StringExact("nomadscale"), "load": knownvalue.Float64Exact(150), "demand": knownvalue.Float64Exact(1.5), "utilisation": knownvalue.Float64Exact(1.5),
		"goal": knownvalue.Int64Exact(int64(d.Goal)), "min_instances": knownvalue.Int64Exact(0), "max_instances": knownvalue.Int64Exact(10), "buffer_instances": knownvalue.Int64Exact(0),
	})
	listed := func(inside string, events ...knownvalue.Check) resource.TestStep {
		return resource.TestStep{
			Config: reading("nomadscale_scaling_events", "job_id = \"eventful\"\ngroup = \"app\"\n"+inside),
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("data.nomadscale_scaling_events.d", tfjsonpath.New("id"), knownvalue.StringExact("default/eventful/app")),
				statecheck.ExpectKnownValue("data.nomadscale_scaling_events.d", tfjsonpath.New("events"), knownvalue.ListExact(events)),
			},
		}
	}
	refused := func(inside, says string) resource.TestStep {
		return resource.TestStep{Config: reading("nomadscale_scaling_events", inside), ExpectError: said(says)}
	}
	apply(t,
		listed("", failed, byHand, decided),
		listed("limit = 2", failed, byHand),
		listed(`since = "2100-01-01T00:00:00Z"`),
		listed(`since = "2001-01-01T00:00:00+01:00"`, failed, byHand, decided),
		refused("job_id = \"eventful\"\ngroup = \"app\"\nsince = \"today\"", `since is "today"; it must be a time such as 2026-01-02T15:04:05Z`),
		refused("job_id = \"eventful\"\ngroup = \"app\"\nlimit = 0", "limit value must be at least 1"),
		refused("job_id = \"eventful\"\ngroup = \"other\"", "There is no such app"),
		refused("job_id = \"uneventful\"\ngroup = \"app\"", "There is no such app"),
	)
}

// The examples of the data sources read what they name.
func TestDataSourceExamples(t *testing.T) {
	t.Parallel()
	newNamespace(t, "shop")
	registerIn(t, "shop", "checkout", scaler.Document{"group": "web"}, nil)
	for _, name := range []string{"nomadscale_apps", "nomadscale_instances", "nomadscale_scaling_events"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apply(t, resource.TestStep{Config: example(t, "data-sources", name, "data-source.tf")})
		})
	}
}
