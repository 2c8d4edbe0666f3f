package examples_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/examples/sandbox"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// box is the sandbox that all walk-throughs share. Each walk-through has its own job.
var box *sandbox.Sandbox

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// The path is short, because the sockets under it have a maximum path length.
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if box, err = sandbox.Start(ctx, dir); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, box.Stop()) }()
	// The tests mostly wait for minutes to pass, so all of them run at once.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

const (
	// soon is longer than an evaluation and the start of a few instances take.
	soon = 45 * time.Second
	// quiet is longer than the trailing minute and the scale-downs after it take.
	quiet = 2 * time.Minute
)

func TestQuickstart(t *testing.T) {
	t.Parallel()
	w := begin(t, "quickstart", "default/hello/web", "scale_down_cooldown=5s")
	w.expect(w.next(), `"allocation":"[0-9a-f-]{36}"`)
	w.answered(w.next(), 50)
	// The second instance starts at once, the third after the cooldown of 30 s.
	w.await(soon, "a second instance", func(s nomad.Status) bool { return s.Running >= 2 })
	second := w.lastUp()
	w.await(2*soon, "a third instance", func(s nomad.Status) bool { return s.Running == 3 })
	if between := w.lastUp().Sub(second); between < 30*time.Second {
		t.Errorf("the third instance came %s after the second, within the cooldown of 30 s", between)
	}
	w.expect(w.next(), `default/hello/web +3 +3 `, `Status += running`)
	w.expect(w.next(), `No changes`)
	w.await(quiet, "one instance", func(s nomad.Status) bool { return s.Desired == 1 })
	w.end()
}

func TestFastAPI(t *testing.T) {
	t.Parallel()
	nomadtest.Tool(t, "fastapi")
	w := begin(t, "fastapi", "default/images/web", "scale_down_cooldown=5s")
	w.next()
	w.expect(w.next(), `<h1>Image processor</h1>`, `"status":"healthy"`, `"rows":\[\[255,127\],\[55,0\]\]`)
	moderate := w.next()
	w.answered(moderate, 20)
	w.expect(moderate, `default/images/web +1 +1 `)
	heavy := w.next()
	w.answered(heavy, 50)
	w.await(soon, "a second instance", func(s nomad.Status) bool { return s.Running >= 2 })
	w.spread(w.next(), `"instance":"(\w+)"`)
	w.await(quiet, "one instance", func(s nomad.Status) bool { return s.Desired == 1 })
	w.end()
}

func TestAIModelServer(t *testing.T) {
	t.Parallel()
	w := begin(t, "ai-model-server", "default/model/server", "scale_down_cooldown=5s")
	w.next()
	if running := w.status().Running; running != 2 {
		t.Errorf("%d instances run after the apply, want 2", running)
	}
	w.expect(w.next(), `"label": "favourable"`, `"label": "unfavourable".*"label": "favourable"`, `"status": "healthy"`)
	// All answers are 200, so none came from an instance that was loading its model.
	w.answered(w.next(), 150)
	w.await(soon, "a third instance", func(s nomad.Status) bool { return s.Running >= 3 })
	w.spread(w.next(), `"instance": "(\w+)"`)
	w.await(quiet, "two instances", func(s nomad.Status) bool { return s.Desired == 2 })
	w.end()
}

func TestServerless(t *testing.T) {
	t.Parallel()
	w := begin(t, "serverless", "default/function/web", "stop_after_inactive=10s")
	w.expect(w.next(), `default/function/web +0 +0 `)
	w.expect(w.next(), `"path":"/orders/7"`, `answered 200`)
	if action := w.status().History.LastAction; action == nil || action.Rule != scaler.RuleActivate {
		t.Errorf("the last action is %+v, want one of the rule %s", action, scaler.RuleActivate)
	}
	w.answered(w.next(), 60)
	w.await(soon, "three instances", func(s nomad.Status) bool { return s.Running == 3 })
	w.await(quiet, "zero instances", func(s nomad.Status) bool { return s.Desired == 0 && s.Running == 0 })
	w.expect(w.next(), `0 to 1 +`, `3 to 0 +`)
	w.end()
}

func TestDynamicLimits(t *testing.T) {
	t.Parallel()
	w := begin(t, "dynamic-limits", "default/generate/web", "stop_after_inactive=10s")
	w.next()
	load := w.background()
	w.await(soon, "ten instances", func(s nomad.Status) bool { return s.Running == 10 })
	for _, override := range []string{"the campaign", "the next campaign"} {
		w.expect(w.next(), `max 50 .* in force .* `+override)
		w.await(soon, "thirteen instances", func(s nomad.Status) bool { return s.Desired == 13 })
		w.await(2*soon, "ten instances again by themselves", func(s nomad.Status) bool {
			return s.Desired == 10 && s.History.LastAction.Rule == scaler.RuleAboveMax
		})
	}
	w.answered(<-load, 12)
	w.expect(w.next(), `10 to 13 +`, `13 to 10 +`, `No changes`)
	w.await(quiet, "zero instances", func(s nomad.Status) bool { return s.Desired == 0 && s.Running == 0 })
	w.end()
}

// A test above walks through every example that has a README.
func TestEveryWalkThroughIsTested(t *testing.T) {
	source, err := os.ReadFile("walkthrough_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readmes, err := filepath.Glob("*/README.md")
	if err != nil || len(readmes) < 5 {
		t.Fatalf("%d READMEs, %v; want five at least", len(readmes), err)
	}
	for _, readme := range readmes {
		if !strings.Contains(string(source), fmt.Sprintf("begin(t, %q, ", filepath.Dir(readme))) {
			t.Errorf("no test walks through %s", readme)
		}
	}
}
