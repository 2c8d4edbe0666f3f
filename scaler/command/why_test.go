package command

import (
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestWhy(t *testing.T) {
	agent := startNomad(t)
	g := startGateway(t)
	t.Setenv(api.AdminTokenVariable, "secret")

	t.Run("it stays", func(t *testing.T) {
		p := register(t, agent, "steady", 50, scaler.Document{"buffer_instances": "1"})
		scale(t, agent, p, 85)
		g.load(p, 85)
		expectOutput(t, `
default/steady/app stays at 2: 85 requests a minute is 85 % of 1 instance; 2 instances called for (with 1 buffer).

  count        2 desired, 2 running
  load         85/min, with 100/min for each instance
  demand       0.85 instances at 100 %
  utilisation  85 %; up above 90 %, down below 30 %
  called for   2
  bounds       1 to 10, buffer 1
  next up      in 4m59s
  next down    in 9m59s
  override     none
  last action  1 to 2, 1s ago, rule up: 85 requests a minute is 85 % of 1 instance; 2 instances called for (with 1 buffer)
`, "why", p.App.String(), "--gateway", g.URL)
	})

	t.Run("a cooldown holds it back", func(t *testing.T) {
		p := register(t, agent, "cooling", 50, nil)
		scale(t, agent, p, 500)
		g.load(p, 500)
		expectOutput(t, `
default/cooling/app stays at 2: 500 requests a minute is 250 % of 2 instances, above 90 %; 6 instances called for, but scale_up_cooldown has 4m59s left.

  count        2 desired, 2 running
  load         500/min, with 100/min for each instance
  demand       5 instances at 100 %
  utilisation  250 %; up above 90 %, down below 30 %
  called for   6
  bounds       1 to 10, buffer 0
  next up      in 4m59s
  next down    in 9m59s
  override     none
  last action  1 to 2, 1s ago, rule up: 500 requests a minute is 500 % of 1 instance, above 90 %; 6 instances called for, 2 for now by scale_up_step
`, "why", p.App.String(), "--gateway", g.URL)
		e := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
		decision := e["decision"].(object)
		expectFields(t, decision, object{"rule": "hold", "direction": "none", "count": 2.0, "demand": 5.0, "utilisation": 2.5, "goal": 6.0, "target": 100.0, "scale_up_threshold": 0.9, "scale_down_threshold": 0.3})
		expectFields(t, e, object{"app": p.App.String(), "desired": 2.0, "running": 2.0, "load": 500.0, "min_instances": 1.0, "max_instances": 10.0, "override": nil})
		if up := decision["up_cooldown_seconds"].(float64); up < 200 || up > 300 {
			t.Errorf("%v seconds of the cooldown are left, want the rest of 300", up)
		}
		if answer := e["answer"].(string); !strings.HasSuffix(answer, decision["reason"].(string)+".") {
			t.Errorf("the answer %q does not give the reason %q", answer, decision["reason"])
		}
	})

	t.Run("instances do not start", func(t *testing.T) {
		p := nomadtest.Policy(t, "large", nil)
		job := nomadtest.Job(p)
		job.TaskGroups[0].Tasks[0].Resources.MemoryMB = new(1 << 20)
		agent.Register(t, job)
		g.load(p, 10)
		nomadtest.Eventually(t, soon, "the reason", func() bool {
			e := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
			notes := e["notes"].([]any)
			return len(notes) > 0 && notes[0] == "Instances do not start: 1 instance cannot be placed: memory exhausted on 1 node."
		})
	})

	t.Run("it is about to move", func(t *testing.T) {
		p := register(t, agent, "growing", 50, nil)
		g.load(p, 170)
		expectOutput(t, `
default/growing/app is about to go from 1 to 2: 170 requests a minute is 170 % of 1 instance, above 90 %; 2 instances called for.

  count        1 desired, 1 running
  load         170/min, with 100/min for each instance
  demand       1.7 instances at 100 %
  utilisation  170 %; up above 90 %, down below 30 %
  called for   2
  bounds       1 to 10, buffer 0
  next up      now
  next down    at min_instances
  override     none
  last action  none

The autoscaler evaluates every 10s. If the count stays at 1 for longer, the autoscaler's log says why.
`, "why", p.App.String(), "--gateway", g.URL)
	})

	t.Run("an override holds it", func(t *testing.T) {
		p := register(t, agent, "held", 50, nil)
		g.load(p, 500)
		if _, err := execute(t, "override", "set", p.App.String(), "--hold", "--for", "1h", "--by", "ada", "--reason", "launch"); err != nil {
			t.Fatal(err)
		}
		expectOutput(t, `
default/held/app stays at 1: held by an override until 12:00 UTC, set by ada: launch.

  count        1 desired, 1 running
  load         500/min, with 100/min for each instance
  demand       5 instances at 100 %
  utilisation  500 %; up above 90 %, down below 30 %
  called for   6
  bounds       0 to 50, buffer 0
  next up      held
  next down    held
  override     hold until 12:00 UTC
  last action  none
`, "why", p.App.String(), "--gateway", g.URL)
	})

	t.Run("an override is ignored", func(t *testing.T) {
		p := register(t, agent, "outgrown", 50, nil)
		g.load(p, 10)
		if _, err := execute(t, "override", "set", p.App.String(), "--max", "50", "--for", "1h"); err != nil {
			t.Fatal(err)
		}
		register(t, agent, "outgrown", 20, nil)
		e := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
		expectFields(t, e["override"].(object), object{"state": "ignored", "max_instances": 50.0, "error": `max_instances = "50": must be at most the max of the scaling block, which is 20`})
		expectFields(t, e, object{"max_instances": 10.0})
		expectNote(t, e, `The override is ignored: max_instances = "50": must be at most`)
	})

	t.Run("it is at zero", func(t *testing.T) {
		p := register(t, agent, "zero", 50, scaler.Document{"min_instances": "0"})
		g.load(p, 0)
		expectFields(t, outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL), object{"answer": "default/zero/app stays at 0: at zero without load."})
	})

	t.Run("scaling is disabled", func(t *testing.T) {
		p := register(t, agent, "disabled", 50, nil, func(b *jobspec.Block) { b.Policy.Enabled = false })
		g.load(p, 500)
		e := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
		expectFields(t, e, object{"answer": "default/disabled/app stays at 1: scaling is disabled.", "enabled": false})
		expectNote(t, e, "Enable scaling where the policy is declared")
	})

	t.Run("the job is stopped", func(t *testing.T) {
		p := register(t, agent, "stopped", 50, nil)
		g.load(p, 500)
		if _, _, err := agent.API.Jobs().Deregister(p.App.Job, false, nil); err != nil {
			t.Fatal(err)
		}
		e := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
		expectFields(t, e, object{"answer": "default/stopped/app is stopped, and a stopped job does not scale.", "stopped": true})
		expectNote(t, e, "Start it with: nomad job start -namespace=default stopped")
	})

	t.Run("there is no policy", func(t *testing.T) {
		p := nomadtest.Policy(t, "plain", nil)
		job := nomadtest.Job(p)
		job.TaskGroups[0].Scaling = nil
		agent.Register(t, job)
		expectOutput(t, `
Nothing scales default/plain/app: it has no nomadscale policy (a scaling block in group app of job plain: not found).

  count        1 desired, 1 running
  override     none
  last action  none

Give it one: nomadscale_app in Terraform, or a scaling block with the strategy "nomadscale" in the job.
`, "why", awaitRunning(t, agent, p))
		other := nomadtest.Job(nomadtest.Policy(t, "threshold", nil))
		other.TaskGroups[0].Scaling.Policy = map[string]any{}
		agent.Register(t, other)
		expectFields(t, outputJSON[object](t, "why", "default/threshold/app"), object{"answer": `Nothing scales default/threshold/app: it has no nomadscale policy (a check with strategy "nomadscale": not found).`, "decision": nil})
	})

	t.Run("the policy is wrong", func(t *testing.T) {
		p := nomadtest.Policy(t, "wrong", nil)
		job := nomadtest.Job(p)
		document := nomadtest.StrategyConfig(job.TaskGroups[0].Scaling)
		document["scale_down_threshold"], document["max_instances"] = "2", "5"
		agent.Register(t, job)
		expectOutput(t, `
default/wrong/app stays at 1: its policy cannot be used: check load: scale_down_threshold = "2": must be below scale_up_threshold, which is 0.9.

  count        1 desired, 1 running
  override     none
  last action  none

Correct the value where the policy is declared. Until then, the autoscaler changes nothing and a gateway uses the last valid policy.
`, "why", awaitRunning(t, agent, p))
	})

	t.Run("there is no gateway", func(t *testing.T) {
		p := register(t, agent, "alone", 50, nil)
		expectOutput(t, `
default/alone/app stays at 1: the load is not known: missing, stale or not a number.

  count        1 desired, 1 running
  load         not known
  bounds       1 to 10, buffer 0
  next up      now
  next down    at min_instances
  override     none
  last action  none

The load is not known here: finding the gateways: there is no service nomadscale-gateway-admin in namespace default.
If only this machine cannot reach the gateways, name them with --gateway. If the autoscaler cannot reach them either, nothing scales until it can.
`, "why", p.App.String())
		for load, gateway := range map[string]string{
			"connection refused":                  "http://127.0.0.1:1",
			"404 Not Found: there is no such app": g.URL,
		} {
			e := outputJSON[object](t, "why", p.App.String(), "--gateway", gateway)
			expectFields(t, e, object{"load": nil})
			if why := e["load_error"].(string); !strings.Contains(why, load) {
				t.Errorf("the load is not known because %q, want %q", why, load)
			}
		}
		t.Setenv(api.AdminTokenVariable, "wrong")
		if why := outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)["load_error"].(string); !strings.Contains(why, "401 Unauthorized: the admin token is needed") {
			t.Errorf("the load is not known because %q, want that the token is wrong", why)
		}
	})

	t.Run("the load comes from another source", func(t *testing.T) {
		p := register(t, agent, "custom", 50, scaler.Document{"metric": "custom", "target_per_instance": "5"}, func(b *jobspec.Block) { b.Source, b.Query = "prometheus", "up" })
		e := outputJSON[object](t, "why", p.App.String())
		expectFields(t, e, object{
			"answer":     "default/custom/app is at 1. Only the autoscaler knows why, because this command cannot read the load.",
			"load_error": "this command cannot query the autoscaler's source prometheus",
		})
	})

	slow := &nomadapi.UpdateStrategy{MaxParallel: new(1), MinHealthyTime: new(10 * time.Minute), HealthyDeadline: new(11 * time.Minute), ProgressDeadline: new(12 * time.Minute)}
	for name, test := range map[string]struct {
		version, deployment string
	}{
		"a rollout blocks it":                 {"2", "a deployment is in the way: version 1 is being rolled out"},
		"the deployment of a count blocks it": {"", "a deployment is in the way of the autoscaler: Nomad scales no job that is being deployed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := nomadtest.Policy(t, "deployed"+test.version, scaler.Document{"min_instances": "2"})
			job := nomadtest.Job(p)
			job.Update = slow
			if test.version != "" {
				register(t, agent, p.App.Job, 50, scaler.Document{"min_instances": "2"})
				job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": test.version}
			}
			agent.Register(t, job)
			g.load(p, 190)
			var e object
			nomadtest.Eventually(t, soon, "a deployment", func() bool {
				e = outputJSON[object](t, "why", p.App.String(), "--gateway", g.URL)
				return e["deployment"] != nil
			})
			want := p.App.String() + " should go from 2 to 3 (190 requests a minute is 95 % of 2 instances, above 90 %; 3 instances called for), and waits: " + test.deployment
			if got := e["answer"].(string); !strings.HasPrefix(got, want) {
				t.Errorf("the answer is %q, want %q", got, want)
			}
			expectNote(t, e, "nomad job deployments -namespace=default "+p.App.Job)
		})
	}

	expectError(t, []string{"reading job nowhere in namespace default: not found", "nomadscale status lists the apps"}, "why", "default/nowhere/app")
	expectError(t, []string{`job steady has no group "db"; its groups are app`}, "why", "default/steady/db")
}

// awaitRunning waits for the first instance of an app and returns its name.
func awaitRunning(t *testing.T, agent *nomadtest.Agent, p scaler.Policy) string {
	t.Helper()
	nomadtest.Eventually(t, soon, "a running instance", func() bool { return agent.Status(t, p).Running == 1 })
	return p.App.String()
}

// expectNote checks that an explanation has a note that contains the words.
func expectNote(t *testing.T, e object, words string) {
	t.Helper()
	for _, note := range e["notes"].([]any) {
		if strings.Contains(note.(string), words) {
			return
		}
	}
	t.Errorf("the notes are %q, want %q among them", e["notes"], words)
}
