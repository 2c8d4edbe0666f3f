package prometheus_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const soon = 30 * time.Second

// A real Prometheus accepts the rules, and the real parts expose every metric that the
// rules name. The loss of Nomad raises the alerts for it.
func TestRules(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{Durable: true})
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	binary := nomadtest.Binary(t, plugins)
	requests, gateway := cluster.StartGateway(t, binary)
	agent := nomadtest.FreeAddress(t)
	nomadtest.StartProgram(t, []string{"NOMAD_ADDR=" + cluster.Address}, nomadtest.Tool(t, "nomad-autoscaler"), "agent", "-config", write(t, dir, "agent.hcl", fmt.Sprintf(`
plugin_dir = %q
http {
  bind_address = "127.0.0.1"
  bind_port    = %s
}
telemetry {
  prometheus_metrics = true
  disable_hostname   = true
}
strategy "nomadscale" {
  driver = "nomadscale"
  args   = ["strategy"]
}
apm "nomadscale" {
  driver = "nomadscale"
  args   = ["apm"]
  config = {
    gateways = "http://%s"
  }
}
`, plugins, agent[strings.Index(agent, ":")+1:], gateway)))
	rules, err := filepath.Abs("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	prometheus := nomadtest.StartPrometheus(t, fmt.Sprintf(`
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [%q]
scrape_configs:
  - job_name: nomadscale-gateway
    static_configs: [{targets: [%q]}]
  - job_name: nomad-autoscaler
    metrics_path: /v1/metrics
    params: {format: [prometheus]}
    static_configs: [{targets: [%q]}]
`, rules, gateway, agent))

	// raised and stuck are below their minimum. A deployment keeps stuck there.
	raised, stuck := below(t, "raised"), below(t, "stuck")
	stuck.Update = &api.UpdateStrategy{MaxParallel: new(1), MinHealthyTime: new(10 * time.Minute), HealthyDeadline: new(11 * time.Minute), ProgressDeadline: new(12 * time.Minute)}
	cluster.Register(t, raised)
	cluster.Register(t, stuck)
	// A request starts asleep, which never answers.
	asleep := nomadtest.Policy(t, "asleep", scaler.Document{"min_instances": "0", "start_timeout": "1s"})
	cluster.Register(t, nomadtest.Job(asleep))
	nomadtest.Eventually(t, soon, "a request that is rejected", func() bool {
		response, err := http.Get("http://" + requests + "/apps/" + asleep.App.String() + "/")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusServiceUnavailable
	})
	nomadtest.Eventually(t, soon, "the agent's metrics in Prometheus", func() bool {
		return slices.Contains(names(t, prometheus), "nomad_autoscaler_scale_invoke_error_count")
	})

	cluster.Kill()
	for _, alert := range []string{"NomadscaleGatewayWithoutNomad", "NomadscaleAgentHasNoPolicies"} {
		nomadtest.Eventually(t, 2*soon, "the alert "+alert, func() bool { return states(t, prometheus)[alert] != "inactive" })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	if err := cluster.Restart(ctx); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	known := names(t, prometheus)
	for _, name := range regexp.MustCompile(`\b(nomadscale|nomad_autoscaler)_\w+`).FindAllString(string(text), -1) {
		if !slices.Contains(known, name) {
			t.Errorf("the rules name %s, which neither the gateway nor the agent exposes", name)
		}
	}
	if want, got := strings.Count(string(text), "- alert:"), len(states(t, prometheus)); got != want {
		t.Errorf("Prometheus evaluates %d alerts, want %d", got, want)
	}
}

// below returns a job whose count is below its policy's minimum.
func below(t *testing.T, name string) *api.Job {
	p := nomadtest.Policy(t, name, scaler.Document{"min_instances": "2", "max_instances": "3"})
	block := jobspec.NewBlock(p)
	block.Min, block.EvaluationInterval = 1, 500*time.Millisecond
	job := nomadtest.JobWithBlock(block)
	*job.TaskGroups[0].Count = 1
	return job
}

// states returns the states of the alerts. A rule that cannot be evaluated fails the test.
func states(t *testing.T, prometheus string) map[string]string {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, State, LastError string }
			}
		}
	}
	ask(t, "http://"+prometheus+"/api/v1/rules?type=alert", &answer)
	all := make(map[string]string)
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			all[rule.Name] = rule.State
			if rule.LastError != "" {
				t.Errorf("%s: %s", rule.Name, rule.LastError)
			}
		}
	}
	return all
}

// names returns the names of the metrics in Prometheus.
func names(t *testing.T, prometheus string) []string {
	t.Helper()
	var answer struct{ Data []string }
	ask(t, "http://"+prometheus+"/api/v1/label/__name__/values", &answer)
	return answer.Data
}

// ask waits for an answer and reads it.
func ask(t *testing.T, url string, answer any) {
	t.Helper()
	nomadtest.Eventually(t, soon, "an answer of "+url, func() bool { return nomadtest.Get(t.Context(), url, answer) == nil })
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
