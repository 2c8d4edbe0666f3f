package examples_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/examples/sandbox"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// walk follows the commands of an example's README.
type walk struct {
	*testing.T
	policy scaler.Policy
	dir    string
	env    []string
	// blocks are the blocks of the README that have not run yet.
	blocks []string
}

// begin begins to walk through an example, which declares the app. The variables, each
// name=value, replace defaults of the example.
func begin(t *testing.T, example, app string, variables ...string) *walk {
	t.Helper()
	target, err := scaler.ParseAppID(app)
	if err != nil {
		t.Fatal(err)
	}
	p, err := scaler.Parse(scaler.Document{"namespace": target.Namespace, "job": target.Job, "group": target.Group})
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{T: t, policy: p, dir: filepath.Join(box.Examples, example), env: append(os.Environ(), box.Environment()...)}
	for _, variable := range variables {
		w.env = append(w.env, "TF_VAR_"+variable)
	}
	readme, err := os.ReadFile(filepath.Join(w.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if w.blocks = sandbox.Blocks(string(readme), "sh"); len(w.blocks) == 0 {
		t.Fatalf("the README of %s has no commands", example)
	}
	return w
}

// next runs the next block of commands and returns its output.
func (w *walk) next() string {
	w.Helper()
	out, err := w.run(w.take())
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// background runs the next block in the background.
func (w *walk) background() <-chan string {
	w.Helper()
	block, printed := w.take(), make(chan string, 1)
	go func() {
		out, err := w.run(block)
		if err != nil {
			w.Error(err)
		}
		printed <- out
	}()
	return printed
}

func (w *walk) take() string {
	w.Helper()
	if len(w.blocks) == 0 {
		w.Fatal("the README has no more commands")
	}
	block := w.blocks[0]
	w.blocks = w.blocks[1:]
	return block
}

func (w *walk) run(block string) (string, error) {
	ctx, cancel := context.WithTimeout(w.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", block)
	cmd.Dir, cmd.Env, cmd.WaitDelay = w.dir, w.env, time.Second
	out, err := cmd.CombinedOutput()
	w.Logf("$ %s%s", block, out)
	if err != nil {
		return "", fmt.Errorf("%w of\n%s\n%s", err, block, out)
	}
	return string(out), nil
}

// expect fails the test unless the output matches every pattern.
func (w *walk) expect(printed string, patterns ...string) {
	w.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(printed) {
			w.Errorf("there is no %s in\n%s", pattern, printed)
		}
	}
}

// answered fails the test unless hey got at least that many answers, all of them 200.
func (w *walk) answered(printed string, least int) {
	w.Helper()
	if n, err := sandbox.Answered(printed); err != nil || n < least {
		w.Errorf("%d requests were answered, want %d at least (%v)", n, least, err)
	}
}

// spread fails the test unless several instances have answered. The pattern's group
// matches the instance.
func (w *walk) spread(printed, instance string) {
	w.Helper()
	answers := make(map[string]int)
	for _, match := range regexp.MustCompile(instance).FindAllStringSubmatch(printed, -1) {
		answers[match[1]]++
	}
	if len(answers) < 2 {
		w.Errorf("the instances that answered are %v, want several", answers)
	}
}

func (w *walk) status() nomad.Status {
	w.Helper()
	return box.Agent.Status(w, w.policy)
}

// lastUp returns when the app last grew because of its load.
func (w *walk) lastUp() time.Time {
	w.Helper()
	return w.status().History.LastUp
}

// await waits until the app's status meets a condition.
func (w *walk) await(limit time.Duration, what string, condition func(nomad.Status) bool) {
	w.Helper()
	var last nomad.Status
	defer func() {
		if w.Failed() {
			w.Logf("the last status was %+v, its last action %+v", last, last.History.LastAction)
		}
	}()
	nomadtest.Eventually(w, limit, what, func() bool {
		last = w.status()
		return condition(last)
	})
}

// end runs the last block, which must remove everything of the app.
func (w *walk) end() {
	w.Helper()
	allocations, _, err := box.Agent.API.Jobs().Allocations(w.policy.App.Job, true, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.next()
	if len(w.blocks) > 0 {
		w.Errorf("the test does not run the last %d blocks of the README, which begin with:\n%s", len(w.blocks), w.blocks[0])
	}
	if _, err := box.Agent.Client.Status(w.Context(), w.policy.App); !errors.Is(err, nomad.ErrNotFound) {
		w.Errorf("the error for the app is %v, want that there is no such app", err)
	}
	for _, allocation := range allocations {
		nomadtest.Eventually(w, soon, "no process of allocation "+allocation.ID, func() bool {
			return len(nomadtest.Processes("NOMAD_ALLOC_ID="+allocation.ID)) == 0
		})
	}
}
