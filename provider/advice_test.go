package provider

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// serving is a job with a port, an update block and what else its group has.
func serving(id, update, inside string) string {
	return strings.Replace(spec(id, "network {\n port \"http\" {}\n }\n"+inside), "max_parallel = 0", update, 1)
}

// The test framework runs Terraform, and does not show the warnings of a plan.
// So this asks the provider for the plan as Terraform does; that Terraform prints
// what it is told is for TestTerraformPrintsWarnings.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const (
		jobspec   = `AttributeName("jobspec")`
		threshold = `AttributeName("autoscaling").AttributeName("scale_down_threshold")`
		none      = "max_parallel = 0"
		delay     = `shutdown_delay = "10s"`
	)
	policy := func(pairs ...any) map[string]any {
		values := make(map[string]any)
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i].(string)] = pairs[i+1]
		}
		return values
	}
	p := speak(t, agent.Address)
	for _, c := range []struct {
		name, jobspec string
		policy        map[string]any
		want          map[string]string // what is said, by attribute
	}{
		{"nothing", serving("w", none, delay), policy(), nil},
		{"thresholds", serving("w", none, delay), policy("scale_up_threshold", 0.8, "scale_down_threshold", 0.6), map[string]string{threshold: "Set scale_down_threshold below 0.4."}},
		{"thresholds apart", serving("w", none, delay), policy("scale_up_threshold", 0.8, "scale_down_threshold", 0.39), nil},
		{"a lock", serving("w", "max_parallel = 1", delay), policy(), map[string]string{jobspec: "healthy for 10s (health_check = \"checks\").\n\nSet max_parallel = 0"}},
		{"a lock that is passed", serving("w", "max_parallel = 1", delay), policy("target", "nomadscale"), nil},
		{"no lock", serving("w", "health_check = \"task_states\"\n min_healthy_time = \"0s\"", delay), policy(), nil},
		{"auto_revert", serving("w", "auto_revert = true", delay), policy("target", "nomadscale"), map[string]string{jobspec: "Remove auto_revert"}},
		{"cut requests", serving("w", none, ""), policy(), map[string]string{jobspec: "Set shutdown_delay"}},
		{"a fixed count", serving("w", none, ""), policy("min_instances", 3, "max_instances", 3), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			planned := p.plan("nomadscale_app", kept{}, map[string]any{"jobspec": c.jobspec, "group": "web", "autoscaling": c.policy})
			mustWarn(t, planned.Diagnostics, c.want)
		})
	}
}

func mustWarn(t *testing.T, diagnostics []*tfprotov6.Diagnostic, want map[string]string) {
	t.Helper()
	if len(diagnostics) != len(want) {
		t.Errorf("%d diagnostics, want %d", len(diagnostics), len(want))
	}
	for _, d := range diagnostics {
		words, wanted := want[d.Attribute.String()]
		if !wanted || d.Severity != tfprotov6.DiagnosticSeverityWarning || !strings.Contains(d.Detail, words) {
			t.Errorf("%s at %s: %s, want %q", d.Severity, d.Attribute, d.Detail, words)
		}
	}
}

// A plan that changes nothing warns of nothing, and asks Nomad for nothing.
func TestWarningsOnlyOfChanges(t *testing.T) {
	t.Parallel()
	config := map[string]any{"jobspec": serving("warned", "max_parallel = 0", ""), "group": "web", "autoscaling": map[string]any{}}
	p := speak(t, agent.Address)
	app := p.apply("nomadscale_app", kept{}, config)
	purge(t, "warned")
	unreachable := speak(t, "http://127.0.0.1:1")
	same, err := unreachable.server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: "nomadscale_app", PriorState: app.state, ProposedNewState: app.state, Config: unreachable.dynamic(p.kind("nomadscale_app"), config),
	})
	if err != nil {
		t.Fatal(err)
	}
	mustWarn(t, same.Diagnostics, nil)
	config["autoscaling"] = map[string]any{"max_instances": 3}
	changed := p.plan("nomadscale_app", app, config)
	mustWarn(t, changed.Diagnostics, map[string]string{`AttributeName("jobspec")`: "Set shutdown_delay"})
}

// A policy for a job that something else owns is warned of in the same way, at
// the attribute that names the job.
func TestWarningsOfPolicies(t *testing.T) {
	t.Parallel()
	const policy, id, jobID = "nomadscale_policy", "warned-policy", `AttributeName("job_id")`
	runByHand(t, serving(id, "auto_revert = true", `shutdown_delay = "10s"`))
	purge(t, id)
	p := speak(t, agent.Address)
	config := func(autoscaling map[string]any) map[string]any {
		return map[string]any{"job_id": id, "group": "web", "autoscaling": autoscaling}
	}
	passing := config(map[string]any{"target": "nomadscale"})
	mustWarn(t, p.plan(policy, kept{}, passing).Diagnostics, map[string]string{jobID: "Remove auto_revert"})
	mustWarn(t, p.plan(policy, kept{}, config(map[string]any{"min_instances": 2, "max_instances": 2})).Diagnostics, nil)
	passing["detach"] = true
	attached := p.apply(policy, kept{}, passing)
	planned, err := p.server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: policy, PriorState: attached.state, PriorIdentity: attached.identity, PriorPrivate: attached.private,
		ProposedNewState: attached.state, Config: p.dynamic(p.kind(policy), passing),
	})
	if err != nil {
		t.Fatal(err)
	}
	mustWarn(t, planned.Diagnostics, nil)
	mustWarn(t, p.plan(policy, attached, config(map[string]any{"target": "nomadscale", "max_instances": 3})).Diagnostics, map[string]string{jobID: "Remove auto_revert"})
	// A job that comes in the same run is not there yet; the thresholds are.
	early := map[string]any{"job_id": "warned-later", "group": "web", "autoscaling": map[string]any{"scale_down_threshold": 0.5}}
	mustWarn(t, p.plan(policy, kept{}, early).Diagnostics, map[string]string{`AttributeName("autoscaling").AttributeName("scale_down_threshold")`: "below 0.45."})
}

// Terraform prints a warning with the resource or the attribute that it is about.
func TestTerraformPrintsWarnings(t *testing.T) {
	t.Parallel()
	config := func(document, inside string) string {
		return app("a", serving("printed", "max_parallel = 0", inside), "autoscaling = "+document)
	}
	for _, c := range []struct {
		document, inside string
		want             []string
	}{
		{`{ scale_down_threshold = 0.5 }`, "", []string{"no hysteresis: Set scale_down_threshold below 0.45.: resource", "cut requests: Set shutdown_delay: jobspec = <<"}},
		{`{ scale_down_threshold = 0.5 }`, `shutdown_delay = "10s"`, []string{"no hysteresis: Set scale_down_threshold below 0.45.: resource"}},
		{`{}`, `shutdown_delay = "10s"`, nil},
	} {
		got := terraformWarnings(t, config(c.document, c.inside))
		slices.Sort(got)
		slices.Sort(c.want)
		if len(got) != len(c.want) {
			t.Fatalf("got %q, want %q", got, c.want)
		}
		for i := range got {
			for words := range strings.SplitSeq(c.want[i], ": ") {
				if !strings.Contains(got[i], words) {
					t.Errorf("%q does not say %q", got[i], words)
				}
			}
		}
	}
}

// terraformWarnings are the warnings of the app a in a plan by the CLI, each with
// its summary, its detail and the line of the configuration that it points at.
func terraformWarnings(t *testing.T, config string) []string {
	t.Helper()
	w := workspaceFor(t)
	w.configure(t, agent.Address, config)
	plan := w.start(t, "plan", "-json")
	if err := plan.Wait(); err != nil {
		t.Fatalf("%v: %s", err, plan.out.String())
	}
	var warnings []string
	for line := range strings.Lines(plan.out.String()) {
		var message struct {
			Diagnostic struct {
				Severity, Summary, Detail, Address string
				Snippet                            struct{ Code string }
			}
		}
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if d := message.Diagnostic; d.Severity == "warning" && d.Address == a {
			warnings = append(warnings, fmt.Sprintf("%s: %s: %s", d.Summary, d.Detail, d.Snippet.Code))
		}
	}
	return warnings
}
