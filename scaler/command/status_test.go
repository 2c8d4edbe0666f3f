package command

import (
	"maps"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestStatus(t *testing.T) {
	agent := startNomad(t)
	g := startGateway(t)
	t.Setenv(api.AdminTokenVariable, "secret")
	expectOutput(t, "There are no apps: no scaling block uses the strategy nomadscale, or the token cannot read it.\n", "status")

	busy := register(t, agent, "busy", 50, nil)
	scale(t, agent, busy, 150)
	g.load(busy, 170)
	g.load(register(t, agent, "idle", 50, scaler.Document{"min_instances": "0"}), 0)
	full := register(t, agent, "full", 50, scaler.Document{"max_instances": "1", "metric": "concurrency"})
	g.load(full, 3)
	if _, err := execute(t, "override", "set", full.App.String(), "--max", "20", "--for", "1h"); err != nil {
		t.Fatal(err)
	}
	held := register(t, agent, "held", 50, scaler.Document{"metric": "custom", "target_per_instance": "5"}, func(b *jobspec.Block) { b.Source, b.Query = "prometheus", "up" })
	if _, err := execute(t, "override", "set", held.App.String(), "--hold", "--for", "1h"); err != nil {
		t.Fatal(err)
	}

	expectOutput(t, `
APP  DESIRED  RUNNING  LOAD  NEXT UP  NEXT DOWN  OVERRIDE  LAST ACTION
default/busy/app  2  2  170/min  in 4m59s  in 9m59s  none  1 to 2, 2s ago, rule up: 150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for
default/full/app  1  1  3  now  at min_instances  max 20 until 12:00 UTC  none
default/held/app  1  1  ?  held  held  hold until 12:00 UTC  none
default/idle/app  0  0  0/min  now  at min_instances  none  none
`, "status", "--gateway", g.URL)

	apps := outputJSON[[]object](t, "status", busy.App.String(), "--gateway", g.URL)
	if len(apps) != 1 {
		t.Fatalf("%d apps, want one", len(apps))
	}
	expectFields(t, apps[0], object{
		"app": busy.App.String(), "enabled": true, "stopped": false, "desired": 2.0, "running": 2.0, "metric": "requests_per_minute",
		"load": 170.0, "min_instances": 1.0, "max_instances": 10.0, "buffer_instances": 0.0, "override": nil,
	})
	action, _ := apps[0]["last_action"].(object)
	if action["from"] != 1.0 || action["to"] != 2.0 || action["rule"] != "up" || action["reason"] == "" {
		t.Errorf("the last action is %v, want 1 to 2 by rule up with a reason", action)
	}
	down, _ := apps[0]["next_down"].(object)
	if left, _ := down["in_seconds"].(float64); left < 500 || left > 600 {
		t.Errorf("the next action down is %v, want the rest of 600 seconds", down)
	}
	if override := outputJSON[[]object](t, "status", full.App.String(), "--gateway", g.URL)[0]["override"].(object); override["state"] != "in_force" || override["max_instances"] != 20.0 {
		t.Errorf("the override is %v, want max_instances 20 in force", override)
	}

	t.Run("says what is not known, and why", func(t *testing.T) {
		wrong := register(t, agent, "wrong", 50, nil)
		job, err := agent.Client.ReadJob(t.Context(), "default", wrong.App.Job)
		if err != nil {
			t.Fatal(err)
		}
		nomadtest.StrategyConfig(job.TaskGroups[0].Scaling)["max_instances"] = "many"
		agent.Register(t, job)
		expectOutput(t, `
APP  DESIRED  RUNNING  LOAD  NEXT UP  NEXT DOWN  OVERRIDE  LAST ACTION
default/wrong/app  1  1  ?  ?  ?  none  none
default/idle/app  0  0  ?  now  at min_instances  none  none

The load is not known: finding the gateways: there is no service nomadscale-gateway-admin in namespace default.
default/wrong/app: check load: max_instances = "many": must be a whole number from 1 to 1000000000.
`, "status", wrong.App.String(), "default/idle/app")
	})
	expectError(t, []string{"there is no app default/nowhere/app; nomadscale why default/nowhere/app says more"}, "status", "default/nowhere/app")
	expectError(t, []string{`--gateway "here": must be URLs such as`}, "status", "--gateway", "here")
}

func TestNextActions(t *testing.T) {
	policy := func(doc scaler.Document) scaler.Policy {
		whole := scaler.Document{"min_instances": "1", "max_instances": "5"}
		maps.Copy(whole, doc)
		return nomadtest.Policy(t, "web", whole)
	}
	now := time.Now()
	// idle returns a series without load.
	idle := func(length time.Duration) []scaler.Sample {
		var series []scaler.Sample
		for age := length; age >= 0; age -= time.Minute {
			series = append(series, scaler.Sample{Time: now.Add(-age)})
		}
		return series
	}
	for name, test := range map[string]struct {
		policy   scaler.Policy
		desired  int
		series   []scaler.Sample
		since    time.Duration
		stopped  bool
		up, down string
	}{
		"in both cooldowns":       {policy: policy(nil), desired: 2, since: time.Minute, up: "in 4m", down: "in 9m"},
		"after them":              {policy: policy(nil), desired: 2, since: time.Hour, up: "now", down: "now"},
		"at the maximum":          {policy: policy(nil), desired: 5, since: time.Minute, up: "at max_instances", down: "in 9m"},
		"above it":                {policy: policy(nil), desired: 6, since: time.Minute, up: "at max_instances", down: "now"},
		"at the minimum":          {policy: policy(nil), desired: 1, since: time.Hour, up: "now", down: "at min_instances"},
		"below it, in a cooldown": {policy: policy(scaler.Document{"min_instances": "3"}), desired: 2, since: time.Minute, up: "now", down: "at min_instances"},
		"at zero, in a cooldown":  {policy: policy(scaler.Document{"min_instances": "0"}), desired: 0, since: time.Minute, up: "now", down: "at min_instances"},
		"without load for long":   {policy: policy(nil), desired: 2, series: idle(20 * time.Minute), since: time.Minute, up: "in 4m", down: "now"},
		"stopped":                 {policy: policy(nil), desired: 2, stopped: true, up: "stopped", down: "stopped"},
		"half a second rounds up": {policy: policy(scaler.Document{"scale_up_cooldown": "60.5s"}), desired: 2, since: time.Minute, up: "in 1s", down: "in 9m"},
	} {
		t.Run(name, func(t *testing.T) {
			o := scaler.Observation{Now: now, Desired: test.desired, Series: test.series}
			if test.since > 0 {
				o.LastUp, o.LastChange = now.Add(-test.since), now.Add(-test.since)
			}
			up, down := nextActions(test.policy, nomad.Status{Stopped: test.stopped}, scaler.Decide(test.policy, o))
			if up.describe() != test.up || down.describe() != test.down {
				t.Errorf("up %s, down %s; want up %s, down %s", up.describe(), down.describe(), test.up, test.down)
			}
		})
	}
}
