package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// terraform runs the real Terraform, or OpenTofu, on this directory's main.tf.
type terraform struct {
	cli, dir string
	env      []string
}

// newTerraform builds the app and runs terraform init.
func newTerraform(ctx context.Context, c *cluster) (*terraform, error) {
	t := &terraform{
		cli: c.Command("terraform"), dir: filepath.Join(c.Examples, "demo"),
		env: append(append(os.Environ(), c.Environment()...), "TF_IN_AUTOMATION=1"),
	}
	if _, err := nomadtest.Build(t.dir, "app", "./examples/app"); err != nil {
		return nil, err
	}
	return t, t.run(ctx, "init")
}

func (t *terraform) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.cli, args...)
	cmd.Dir, cmd.Env = t.dir, t.env
	// A process group of its own keeps an interrupt from the keyboard away from the CLI
	// while it destroys. When the context ends, the CLI can end in order and release its
	// lock.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// run runs a command. Its error contains the output.
func (t *terraform) run(ctx context.Context, args ...string) error {
	if out, err := t.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("terraform %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// plan prints a plan and returns the attributes that it changes, each as
// "path: before -> after". It returns nil if the exit code says that nothing changes.
func (t *terraform) plan(ctx context.Context) ([]string, error) {
	out, err := t.command(ctx, "plan", "-detailed-exitcode", "-no-color", "-out", "plan").CombinedOutput()
	var exit *exec.ExitError
	changed := errors.As(err, &exit) && exit.ExitCode() == 2
	if err != nil && !changed {
		return nil, fmt.Errorf("terraform plan: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fmt.Print("   ", line)
	}
	if !changed {
		return nil, nil
	}
	return t.changes(ctx)
}

// changes reads the changes from the plan file.
func (t *terraform) changes(ctx context.Context) ([]string, error) {
	out, err := t.command(ctx, "show", "-json", "plan").Output()
	if err != nil {
		return nil, fmt.Errorf("terraform show: %w", err)
	}
	var plan struct {
		Resources []struct {
			Change struct{ Before, After map[string]any }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	changes := []string{}
	for _, resource := range plan.Resources {
		changes = append(changes, difference("", resource.Change.Before, resource.Change.After)...)
	}
	return changes, nil
}

// difference lists the values that differ between two objects.
func difference(path string, before, after map[string]any) (all []string) {
	keys := make(map[string]any)
	maps.Copy(keys, before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		b, bObject := before[key].(map[string]any)
		a, aObject := after[key].(map[string]any)
		if bObject && aObject {
			all = append(all, difference(path+key+".", b, a)...)
		} else if b, a := fmt.Sprint(before[key]), fmt.Sprint(after[key]); b != a {
			all = append(all, fmt.Sprintf("%s%s: %s -> %s", path, key, b, a))
		}
	}
	return all
}
