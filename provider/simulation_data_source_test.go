package provider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// simulation is a configuration that reaches no Nomad.
func simulation(inside string) string {
	return configuredAt("http://127.0.0.1:1", reading("nomadscale_simulation", inside))
}

func figure(of, name string, value float64) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("data.nomadscale_simulation.d", at(of, name), knownvalue.Float64Exact(value))
}

// Seven instances for an hour are seven instance-hours.
func TestSimulationOfAConstantCount(t *testing.T) {
	t.Parallel()
	apply(t,
		resource.TestStep{
			Config: simulation(`trace = "constant:600"
			  autoscaling = { min_instances = 7, max_instances = 7, price_per_instance_second = 0.001 }`),
			ConfigStateChecks: []statecheck.StateCheck{
				figure("result", "peak_count", 7), figure("result", "mean_count", 7), figure("result", "instance_hours", 7), figure("result", "instance_seconds", 25200),
				figure("result", "cost", 25.2), figure("result", "peak_load", 600), figure("result", "cold_starts", 0), figure("result", "actions_up", 0),
				statecheck.ExpectKnownValue("data.nomadscale_simulation.d", tfjsonpath.New("against_result"), knownvalue.Null()),
				statecheck.ExpectKnownValue("data.nomadscale_simulation.d", tfjsonpath.New("difference"), knownvalue.Null()),
			},
		},
		resource.TestStep{
			Config: simulation(`trace = "constant:600"
			  duration    = "2h"
			  autoscaling = { min_instances = 7, max_instances = 7 }
			  against     = { min_instances = 8, max_instances = 8 }`),
			ConfigStateChecks: []statecheck.StateCheck{
				figure("result", "instance_hours", 14), figure("against_result", "instance_hours", 16), figure("difference", "instance_hours", 2), figure("difference", "peak_count", 1),
				figure("difference", "mean_load", 0),
			},
		},
	)
}

// The figures are those of the command, whatever the trace is written in.
func TestSimulationIsTheCommands(t *testing.T) {
	t.Parallel()
	day := example(t, "simulate", "trace.csv")
	p := nomadtest.Policy(t, "any", scaler.Document{"min_instances": "0", "max_instances": "20", "scale_up_step": "0", "scale_up_cooldown": "30s"})
	const policy = `autoscaling = { min_instances = 0, max_instances = 20, scale_up_step = 0, scale_up_cooldown = "30s", evaluation_interval = "20s" }`
	heredoc := "trace = <<-EOT\n" + day + "EOT\n"
	for name, c := range map[string]struct {
		inside  string
		trace   func() (trace.Trace, error)
		options simulate.Options
	}{
		"csv": {heredoc, func() (trace.Trace, error) { return trace.Parse([]byte(day)) }, simulate.Options{}},
		"linear from noon on": {heredoc + "linear = true\nfrom = \"12h\"\nto = \"2026-11-16T18:00:00Z\"\nstart_delay = \"8s\"\nwithout_gateway = true", func() (trace.Trace, error) {
			tr, err := trace.Parse([]byte(day))
			tr.Linear = true
			return tr, err
		}, simulate.Options{
			From: time.Date(2026, 11, 16, 12, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 16, 18, 0, 0, 0, time.UTC), StartDelay: 8 * time.Second, WithoutGateway: true,
		}},
		"json": {`trace = jsonencode([{ time = 0, load = 50 }, { time = 600, load = null }, { time = 1200, load = 900 }])`, func() (trace.Trace, error) {
			return trace.Parse([]byte(`[{"time": 0, "load": 50}, {"time": 600, "load": null}, {"time": 1200, "load": 900}]`))
		}, simulate.Options{}},
		"shape": {`trace = "spike:60..2000@10m+5m"`, func() (trace.Trace, error) { return trace.ParseShape("spike:60..2000@10m+5m", 0) }, simulate.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, err := c.trace()
			if err != nil {
				t.Fatal(err)
			}
			c.options.Step = 20 * time.Second
			want, err := simulate.Run(p, tr, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if want.Ups() == 0 {
				t.Fatal("nothing happens on this trace")
			}
			checks := []statecheck.StateCheck{figure("result", "instance_hours", want.InstanceSeconds/3600)}
			for _, f := range want.Figures() {
				checks = append(checks, figure("result", f.Key, f.Value))
			}
			apply(t, resource.TestStep{Config: simulation(policy + "\n" + c.inside), ConfigStateChecks: checks})
		})
	}
}

// A plan shows what a change of an app's policy will cost, when both have it from a
// local value: Terraform does not read a data source that depends directly on a
// resource that is to change.
func TestSimulationOfAPlannedPolicy(t *testing.T) {
	t.Parallel()
	config := func(count int) string {
		return fmt.Sprintf("locals {\n  policy = { min_instances = 0, max_instances = %d, scale_up_step = 0, price_per_instance_second = 0.001 }\n}\n", count) +
			app("a", spec("planned-cost", "count = 0"), "autoscaling = local.policy") + `
data "nomadscale_simulation" "d" {
  trace       = "constant:100000"
  autoscaling = local.policy
}
output "cost" {
  value = data.nomadscale_simulation.d.result.cost
}
`
	}
	apply(t,
		resource.TestStep{Config: config(2), Check: resource.TestCheckOutput("cost", "7.2")},
		resource.TestStep{
			Config:           config(3),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectKnownOutputValue("cost", knownvalue.Float64Exact(10.8))}},
		},
	)
}

func TestInvalidSimulations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ inside, says string }{
		"policy":         {`autoscaling = { min_instances = 5, max_instances = 4 }` + "\n" + `trace = "constant:1"`, `autoscaling.min_instances is "5"; it must be at most max_instances, which is 4`},
		"second policy":  {`autoscaling = {}` + "\n" + `against = { scale_down_threshold = 0.95 }` + "\n" + `trace = "constant:1"`, `against.scale_down_threshold is "0.95"; it must be below scale_up_threshold, which is 0.9`},
		"shape":          {`autoscaling = {}` + "\n" + `trace = "flat:1"`, `shape = "flat:1": must be like constant:600`},
		"shape's values": {`autoscaling = {}` + "\n" + `trace = "sine:9..1/1h"`, `sine, as in sine:20..900/24h: highest load = "1": must be at least 9`},
		"csv":            {`autoscaling = {}` + "\n" + `trace = "time,load\n0,1\n10,many\n"`, `line 3: load = "many": must be a number from 0 to 1e15`},
		"one point":      {`autoscaling = {}` + "\n" + `trace = "time,load\n0,1\n"`, `the trace must have at least 2 points, and it has 1`},
		"metric":         {`autoscaling = {}` + "\n" + `trace = "time,concurrency\n0,1\n10,2\n"`, `The load is in concurrency, and the policy's metric is requests_per_minute`},
		"duration":       {`autoscaling = {}` + "\n" + `trace = "constant:1"` + "\n" + `duration = "long"`, `duration is "long"; it must be a duration above 0`},
		"csv's duration": {`autoscaling = {}` + "\n" + `trace = "time,load\n0,1\n10,2\n"` + "\n" + `duration = "1h"`, `duration is for a shape`},
		"shape's linear": {`autoscaling = {}` + "\n" + `trace = "constant:1"` + "\n" + `linear = true`, `linear is for the text of a trace`},
		"from":           {`autoscaling = {}` + "\n" + `trace = "constant:1"` + "\n" + `from = "noon"`, `from is "noon"; it must be a time as in RFC 3339`},
		"to":             {`autoscaling = {}` + "\n" + `trace = "constant:1"` + "\n" + `to = "2h"`, `to is "2h"; it must be at most 1h, the end of the trace`},
		"delay":          {`autoscaling = {}` + "\n" + `trace = "constant:1"` + "\n" + `start_delay = "-1s"`, `start_delay is "-1s"; it must be a duration`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apply(t, resource.TestStep{Config: simulation(c.inside), ExpectError: said(c.says)})
		})
	}
}

// Every figure of a result is described.
func TestFiguresAreDescribed(t *testing.T) {
	t.Parallel()
	for key := range figures(simulate.Result{}) {
		if !strings.HasSuffix(figureDescriptions[key], ".") {
			t.Errorf("%s is not described", key)
		}
	}
	if len(figureDescriptions) != len(figures(simulate.Result{})) {
		t.Errorf("there are %d descriptions of %d figures", len(figureDescriptions), len(figures(simulate.Result{})))
	}
}

func TestSimulationExample(t *testing.T) {
	t.Parallel()
	apply(t, resource.TestStep{Config: configuredAt("http://127.0.0.1:1", example(t, "data-sources", "nomadscale_simulation", "data-source.tf"))})
}
