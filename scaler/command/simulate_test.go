package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	examplePolicy = "../../examples/simulate/policy.hcl"
	exampleTrace  = "../../examples/simulate/trace.csv"
)

// simulated runs the command and returns its output.
func simulated(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := simulateCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func mustSimulate(t *testing.T, args ...string) string {
	t.Helper()
	out, err := simulated(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// write writes a file to a temporary directory and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

// The example policy and trace give the output that users see.
func TestSimulateExample(t *testing.T) {
	golden(t, "simulate.txt", mustSimulate(t, "--policy", examplePolicy, "--trace", exampleTrace, "--start-delay", "8s"))
}

func TestSimulateComparesTwoPolicies(t *testing.T) {
	golden(t, "simulate_against.txt", mustSimulate(t,
		"--policy", examplePolicy, "--against", "scale_up_step=0,scale_up_cooldown=30s",
		"--trace", exampleTrace, "--start-delay", "8s", "--actions", "5"))
}

// simulatedJSON is the output of the command with --json.
type simulatedJSON struct {
	Policy, Against struct {
		Document   scaler.Document
		Start, End string
		Step       string
		StartDelay string `json:"start_delay"`
		Gateway    bool
		Figures    map[string]float64
		Counts     []struct {
			Time           string
			Desired, Ready int
		}
		Actions []struct {
			Time         string
			From, To     int
			Rule, Reason string
		}
	}
	Difference map[string]float64
}

func readJSON(t *testing.T, text string) (s simulatedJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s
}

func TestSimulateJSON(t *testing.T) {
	s := readJSON(t, mustSimulate(t, "--policy", examplePolicy, "--trace", exampleTrace, "--start-delay", "8s", "--json",
		"--from", "2026-11-16T15:00:00Z", "--to", "18h"))
	p := s.Policy
	if p.Start != "2026-11-16T15:00:00Z" || p.End != "2026-11-16T18:00:00Z" || p.Step != "10s" || p.StartDelay != "8s" || !p.Gateway {
		t.Errorf("%s to %s, step %s, start delay %s, gateway %v", p.Start, p.End, p.Step, p.StartDelay, p.Gateway)
	}
	if p.Document["buffer_instances"] != "1" || p.Figures["peak_load"] != 1350 || p.Figures["cost"] == 0 {
		t.Errorf("%v %v", p.Document, p.Figures)
	}
	last := p.Counts[0].Desired
	for _, a := range p.Actions {
		if a.From != last || a.Reason == "" || a.Rule == "" || a.Time < p.Start || a.Time >= p.End {
			t.Errorf("%+v after %d", a, last)
		}
		last = a.To
	}
	if len(p.Actions) == 0 || len(p.Counts) < len(p.Actions) {
		t.Errorf("%d actions and %d counts", len(p.Actions), len(p.Counts))
	}
	if s.Against.Figures != nil || s.Difference != nil {
		t.Error("it is compared with nothing")
	}
}

func TestSimulateJSONOfTwo(t *testing.T) {
	s := readJSON(t, mustSimulate(t, "--policy", examplePolicy, "--against", "min_instances=2", "--trace", exampleTrace, "--json"))
	for key, value := range s.Policy.Figures {
		if s.Difference[key] != s.Against.Figures[key]-value {
			t.Errorf("%s: %v, %v, difference %v", key, value, s.Against.Figures[key], s.Difference[key])
		}
	}
	if s.Difference["cold_starts"] >= 0 || s.Difference["cost"] <= 0 {
		t.Errorf("two instances at all times: %v", s.Difference)
	}
}

func TestSimulateDrawsCharts(t *testing.T) {
	for name, want := range map[string]string{"chart.svg": "<svg xmlns=", "chart.html": "<!doctype html>"} {
		path := filepath.Join(t.TempDir(), name)
		mustSimulate(t, "--policy", examplePolicy, "--against", "scale_up_step=0", "--trace", exampleTrace, "--chart", path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{want, "trace.csv", "policy.hcl", "scale_up_step=0", "16 November 2026, UTC", "evaluated every 10s"} {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("%s has no %q", name, want)
			}
		}
	}
}

func TestSimulateReadsTheStandardInput(t *testing.T) {
	out, err := simulated(t, "time,concurrency\n0s,1\n1m,3\n", "--policy", "metric=concurrency", "--trace", "-")
	if err != nil || !strings.Contains(out, "3 requests at a time") {
		t.Errorf("%v\n%s", err, out)
	}
}

// rendered returns a scaling block as Nomad returns it.
func rendered(t *testing.T, disabled bool, changes ...string) *api.ScalingPolicy {
	t.Helper()
	document := scaler.Document{"namespace": "default", "job": "shop", "group": "web"}
	for i := 0; i < len(changes); i += 2 {
		document[changes[i]] = changes[i+1]
	}
	p, err := scaler.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	block := jobspec.NewBlock(p)
	block.Policy.Enabled = !disabled
	block.EvaluationInterval = 7e9
	return block.Render()
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPolicyFiles(t *testing.T) {
	block := rendered(t, false, "max_instances", "7")
	job := &api.Job{ID: new("shop"), TaskGroups: []*api.TaskGroup{
		{Name: new("database")},
		{Name: new("web"), Scaling: block},
	}}
	for _, c := range []struct{ name, text, step string }{
		{"lines", "max_instances = 7", "10s"},
		{"lines with comments, quotes and spaces", "# a\n// b\n\n  max_instances=\"7\" # seven\nmin_instances = 1 // one\r\nnamespace = \"a # b\"", "10s"},
		{"object", `{"max_instances": 7, "scale_up_threshold": 0.9, "stop_after_inactive": "10m"}`, "10s"},
		{"job", marshal(t, job), "7s"},
		{"job as nomad job inspect prints it", marshal(t, map[string]any{"Job": job}), "7s"},
		{"block", marshal(t, block), "7s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := readJSON(t, mustSimulate(t, "--policy", write(t, "policy", c.text), "--trace", "constant:5000", "--json"))
			if s.Policy.Document["max_instances"] != "7" || s.Policy.Step != c.step || s.Policy.Figures["peak_count"] != 7 {
				t.Errorf("%v %s %v", s.Policy.Document, s.Policy.Step, s.Policy.Figures)
			}
		})
	}
}

func TestPolicyOfADisabledBlockHolds(t *testing.T) {
	path := write(t, "policy", marshal(t, rendered(t, true)))
	s := readJSON(t, mustSimulate(t, "--policy", path, "--trace", "constant:5000", "--json"))
	if len(s.Policy.Actions) != 0 {
		t.Errorf("%+v", s.Policy.Actions)
	}
}

func TestPolicyOfAGroup(t *testing.T) {
	job := write(t, "job.json", marshal(t, &api.Job{TaskGroups: []*api.TaskGroup{
		{Name: new("api"), Scaling: rendered(t, false, "max_instances", "3")},
		{Name: new("web"), Scaling: rendered(t, false, "max_instances", "7")},
		{Name: new("plain"), Scaling: &api.ScalingPolicy{Max: new(int64(2))}},
	}}))
	s := readJSON(t, mustSimulate(t, "--policy", job, "--group", "api", "--trace", "constant:5000", "--json"))
	if s.Policy.Document["max_instances"] != "3" {
		t.Errorf("%v", s.Policy.Document)
	}
	for group, want := range map[string]string{
		"":      `group = "": must be one of api, web`,
		"plain": `the job has no group "plain" with a nomadscale policy`,
	} {
		if _, err := simulated(t, "", "--policy", job, "--group", group, "--trace", "constant:1"); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("group %q: %v, want %s", group, err, want)
		}
	}
}

// Later arguments change the result of earlier ones. --against changes --policy, unless
// --against names a file.
func TestPoliciesAreChanged(t *testing.T) {
	file := write(t, "policy", "max_instances = 7\nmin_instances = 2")
	other := write(t, "policy", "max_instances = 5")
	for _, c := range []struct {
		against  string
		min, max string
	}{
		{"max_instances=9", "3", "9"},
		{other, "1", "5"},
	} {
		s := readJSON(t, mustSimulate(t, "--policy", file, "--policy", "min_instances=3", "--against", c.against, "--trace", "constant:1", "--json"))
		if s.Policy.Document["max_instances"] != "7" || s.Policy.Document["min_instances"] != "3" {
			t.Errorf("policy: %v", s.Policy.Document)
		}
		if s.Against.Document["max_instances"] != c.max || s.Against.Document["min_instances"] != c.min {
			t.Errorf("against %s: %v", c.against, s.Against.Document)
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	broken := write(t, "policy", "max_instances = 7\nscale up\n")
	unknown := write(t, "policy.json", `{"max_instance": 7}`)
	nested := write(t, "policy.json", `{"hosts": ["a"]}`)
	twice := write(t, "policy", "max_instances = 7\nmax_instances = 8\n")
	job := write(t, "job.json", `{"TaskGroups": [{"Name": "web"}]}`)
	trace := write(t, "trace.csv", "time,requests_per_minute\n0s,1\n1m,-1\n")
	fine := "max_instances=7"
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", []string{}, `required flag(s) "policy", "trace" not set`},
		{"a missing policy", []string{"--policy", "missing.hcl", "--trace", "constant:1"}, "reading policy missing.hcl: open missing.hcl: no such file or directory"},
		{"a line", []string{"--policy", broken, "--trace", "constant:1"}, "reading policy " + broken + `: line 2: "scale up": must be key = value`},
		{"a key", []string{"--policy", unknown, "--trace", "constant:1"}, "reading policy " + unknown + `: max_instance = "7": must be removed: there is no such key`},
		{"a list", []string{"--policy", nested, "--trace", "constant:1"}, "reading policy " + nested + `: hosts = "[a]": must be a string, a number or a boolean`},
		{"a key twice", []string{"--policy", twice, "--trace", "constant:1"}, "reading policy " + twice + ": line 2: max_instances is given twice"},
		{"a job without a policy", []string{"--policy", job, "--trace", "constant:1"}, "reading policy " + job + ": no group of the job has a nomadscale policy"},
		{"a value", []string{"--policy", "max_instances=0", "--trace", "constant:1"}, `reading policy max_instances=0: max_instances = "0": must be a whole number from 1 to 1000000000`},
		{"a value to compare with", []string{"--policy", fine, "--against", "max_instances=0", "--trace", "constant:1"}, `reading policy max_instances=0: max_instances = "0": must be a whole number from 1 to 1000000000`},
		{"a missing trace", []string{"--policy", fine, "--trace", "missing.csv"}, `reading trace missing.csv: there is no such file, and shape = "missing.csv": must be like constant:600, steps:0@0s,600@5m,0@1h, sine:20..900/24h, spike:60..2000@10m+5m, business-day:0..1000`},
		{"a trace", []string{"--policy", fine, "--trace", trace}, "reading trace " + trace + `: line 3: requests_per_minute = "-1": must be a number from 0 to 1e15, or nothing where the load is not known`},
		{"a length of a file", []string{"--policy", fine, "--trace", exampleTrace, "--duration", "1h"}, "reading trace " + exampleTrace + `: duration = "1h0m0s": must be unset with a file: --from and --to bound it`},
		{"another metric", []string{"--policy", "metric=concurrency", "--trace", exampleTrace}, "simulating metric=concurrency: the load is in requests_per_minute, and the policy's metric is concurrency: they must be the same"},
		{"a time", []string{"--policy", fine, "--trace", exampleTrace, "--from", "noon"}, `reading --from: time = "noon": must be a time as in RFC 3339, a number of Unix seconds or a duration such as 90s`},
		{"a chart", []string{"--policy", fine, "--trace", "constant:1", "--chart", "chart.png"}, `chart = "chart.png": must be a file that ends in .svg or .html`},
		{"JSON and a number of actions", []string{"--policy", fine, "--trace", "constant:1", "--json", "--actions", "3"}, "if any flags in the group [json actions] are set none of the others can be; [actions json] were all set"},
	} {
		if out, err := simulated(t, "", c.args...); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got: %v\nwant: %s\n%s", c.name, err, c.want, out)
		}
	}
}

func TestSimulateHelp(t *testing.T) {
	help := simulateCommand().Long + simulateCommand().Example
	for _, want := range []string{"spike:60..2000@10m+5m", "nomad job inspect", "query_range", "--against"} {
		if !strings.Contains(help, want) {
			t.Errorf("the help does not show %q", want)
		}
	}
	for line := range strings.Lines(help) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			t.Errorf("the help has a line of %d characters: %s", n, line)
		}
	}
}

func TestSimulateEndsWithTheContext(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := simulateCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--policy", "max_instances=7", "--trace", "sine:0..600/24h", "--duration", "1440h"})
	if err := cmd.ExecuteContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	// The simulation that the command does not wait for ends by itself.
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}
