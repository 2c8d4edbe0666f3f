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

// startNomad runs a Nomad that the commands of this test ask.
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

// ask runs a command line and returns what it prints.
func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "nomadscale", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(sessionCommands(time.Now)...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// prints fails unless a command line prints the text. Times, waits and the width
// of columns are not compared.
func prints(t *testing.T, want string, args ...string) {
	t.Helper()
	got, err := ask(t, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	if got, want := stable(got), stable(strings.TrimPrefix(want, "\n")); got != want {
		t.Errorf("%v prints\n%s\nwant\n%s", args, got, want)
	}
}

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

// refused fails unless a command line fails with all of the words.
func refused(t *testing.T, words []string, args ...string) {
	t.Helper()
	out, err := ask(t, args...)
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

// answer is what a command line prints with --json.
func answer[T any](t *testing.T, args ...string) T {
	t.Helper()
	out, err := ask(t, append(args, "--json")...)
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

// fields fails where an object has other values than these.
func fields(t *testing.T, got, want object) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %v, want %v", key, got[key], value)
		}
	}
}

// register registers a job with a policy in a block from 0 to high, changed.
func register(t *testing.T, agent *nomadtest.Agent, job string, high int, doc scaler.Document, change ...func(*jobspec.Block)) scaler.Policy {
	t.Helper()
	p := nomadtest.Policy(t, job, doc)
	block := jobspec.NewBlock(p)
	block.Min, block.Max = 0, high
	for _, change := range change {
		change(&block)
	}
	j := nomadtest.Job(p)
	j.TaskGroups[0].Scaling = block.Render()
	agent.Register(t, j)
	nomadtest.Eventually(t, soon, "running instances", func() bool { return agent.Status(t, p).Running == p.MinInstances })
	return p
}

// scale changes the count of an app as a decision does.
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

// loadServer speaks for a gateway about loads that a test sets.
type loadServer struct {
	*httptest.Server
	mu    sync.Mutex
	loads map[string]float64
}

func startGateway(t *testing.T) *loadServer {
	g := &loadServer{loads: make(map[string]float64)}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

// load sets the load of an app, as if it had always been that.
func (g *loadServer) load(p scaler.Policy, value float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loads[p.App.String()] = value
}

func (g *loadServer) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
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
