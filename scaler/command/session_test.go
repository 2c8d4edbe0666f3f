package command

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const soon = time.Minute

// startNomad runs a Nomad for the commands of a test.
func startNomad(t *testing.T) *nomadtest.Agent {
	agent := nomadtest.Start(t)
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "NOMAD_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("NOMAD_ADDR", agent.Address)
	return agent
}

// execute runs a command line and returns its output.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "nomadscale", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(sessionCommands(time.Now)...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// expectOutput checks the output of a command line. It does not compare times, waits and
// the width of columns.
func expectOutput(t *testing.T, want string, args ...string) {
	t.Helper()
	got, err := execute(t, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	if got, want := stable(got), stable(strings.TrimPrefix(want, "\n")); got != want {
		t.Errorf("%v prints\n%s\nwant\n%s", args, got, want)
	}
}

// stable replaces what differs from run to run.
func stable(text string) string {
	for _, s := range []struct{ unstable, stable string }{
		{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`, "<time>"},
		{`until (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC`, "until <then>"},
		{`(\d{4}-\d\d-\d\d )?\d\d:\d\d UTC  `, "<then>  "},
		{`\b(in|has) (\d+[hms])+`, "$1 <wait>"},
		{`(\d+[hms])+ ago`, "<age> ago"},
		{`127\.0\.0\.1:\d+`, "<address>"},
		{` {2,}`, "  "},
		{` +\n`, "\n"},
	} {
		text = regexp.MustCompile(s.unstable).ReplaceAllString(text, s.stable)
	}
	return text
}

// expectError checks that a command line fails and that its error contains all words.
func expectError(t *testing.T, words []string, args ...string) {
	t.Helper()
	out, err := execute(t, args...)
	if err == nil {
		t.Errorf("%v prints %q, want an error", args, out)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: error\n%v\nwant\n%s", args, err, w)
		}
	}
}

// outputJSON decodes the output of a command line with --json.
func outputJSON[T any](t *testing.T, args ...string) T {
	t.Helper()
	out, err := execute(t, append(args, "--json")...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	var value T
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		t.Fatalf("%v prints %q: %v", args, out, err)
	}
	return value
}

// object is a JSON object.
type object = map[string]any

// expectFields checks some values of an object.
func expectFields(t *testing.T, got, want object) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %v, want %v", key, got[key], value)
		}
	}
}

// register registers a job with a policy, in a block with bounds from 0 to high. The
// changes apply to the block.
func register(
	t *testing.T, agent *nomadtest.Agent, job string, high int, doc scaler.Document, changes ...func(*jobspec.Block),
) scaler.Policy {
	t.Helper()
	p := nomadtest.Policy(t, job, doc)
	block := jobspec.NewBlock(p)
	block.Min, block.Max = 0, high
	for _, change := range changes {
		change(&block)
	}
	agent.Register(t, nomadtest.JobWithBlock(block))
	nomadtest.Eventually(t, soon, "running instances", func() bool { return agent.Status(t, p).Running == p.MinInstances })
	return p
}

// scale decides on a load and changes the count of an app.
func scale(t *testing.T, agent *nomadtest.Agent, p scaler.Policy, load float64) scaler.Decision {
	t.Helper()
	status := agent.Status(t, p)
	d := scaler.Decide(p, scaler.Observation{
		Now: time.Now(), Desired: status.Desired, Series: []scaler.Sample{{Time: time.Now(), Value: load}},
	})
	if err := agent.Client.Scale(t.Context(), p.App, status, d); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, soon, "running instances", func() bool { return agent.Status(t, p).Running == d.Count })
	return d
}

// loadServer answers like a gateway with loads that a test sets.
type loadServer struct {
	*httptest.Server
	mutex sync.Mutex
	loads map[string]float64
}

func startGateway(t *testing.T) *loadServer {
	g := &loadServer{loads: make(map[string]float64)}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

// load sets the load of an app for all times, past ones included.
func (g *loadServer) load(p scaler.Policy, value float64) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.loads[p.App.String()] = value
}

func (g *loadServer) serve(w http.ResponseWriter, r *http.Request) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "the admin token is needed", http.StatusUnauthorized)
		return
	}
	if app := r.FormValue("app"); app != "" {
		value, known := g.loads[app]
		if !known {
			http.Error(w, "there is no such app", http.StatusNotFound)
			return
		}
		window, err := time.ParseDuration(r.FormValue("window"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		now := time.Now()
		var series load.Series
		for at := now.Add(-window); at.Before(now); at = at.Add(load.GridStep) {
			series = append(series, scaler.Sample{Time: at, Value: value})
		}
		_ = json.NewEncoder(w).Encode(object{"series": append(series, scaler.Sample{Time: now, Value: value})})
		return
	}
	apps := make(map[string]load.Snapshot)
	for app, value := range g.loads {
		apps[app] = load.Snapshot{RequestsPerMinute: int(value), Concurrency: int(value)}
	}
	_ = json.NewEncoder(w).Encode(object{"apps": apps})
}
