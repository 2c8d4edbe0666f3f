package main

import (
	"bytes"
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

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// terraform runs the real Terraform, or OpenTofu, on the quickstart.
type terraform struct {
	cli, dir string
	env      []string
	app      string
}

func newTerraform(c *cluster) *terraform {
	return &terraform{
		dir: filepath.Join(c.dir, "quickstart"),
		env: append(os.Environ(), "NOMAD_ADDR="+c.agent.Address, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
			"TF_CLI_CONFIG_FILE="+filepath.Join(c.dir, "cli.tfrc")),
		app: filepath.Join(c.dir, "app"),
	}
}

// prepare copies the quickstart and points the CLI at the provider that was
// just built.
func (t *terraform) prepare() (err error) {
	if t.cli != "" {
		return nil
	}
	root, err := nomadtest.Root()
	if err != nil {
		return err
	}
	config := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"nomadscale/nomadscale\" = %q\n  }\n  direct {}\n}\n", filepath.Dir(t.dir))
	if err := os.WriteFile(filepath.Join(filepath.Dir(t.dir), "cli.tfrc"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := os.CopyFS(t.dir, os.DirFS(filepath.Join(root, "examples", "quickstart"))); err != nil {
		return err
	}
	t.cli, err = nomadtest.FindTool("terraform")
	return err
}

func (t *terraform) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.cli, args...)
	cmd.Dir, cmd.Env = t.dir, t.env
	// An interrupt lets the CLI end in order, and give its lock back.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// run runs a command that takes the configuration's variables, and shows what
// it prints.
func (t *terraform) run(ctx context.Context, args ...string) error {
	if err := t.prepare(); err != nil {
		return err
	}
	cmd := t.command(ctx, append(args, "-no-color", "-var", "app="+t.app)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("terraform %s: %w\n%s", strings.Join(args, " "), err, &out)
	}
	show(out.String())
	return nil
}

// plan returns the attributes that a plan changes, as "path: before -> after",
// or nil when -detailed-exitcode says that there are none.
func (t *terraform) plan(ctx context.Context) ([]string, error) {
	cmd := t.command(ctx, "plan", "-detailed-exitcode", "-no-color", "-out", "plan", "-var", "app="+t.app)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	changed := errors.As(err, &exit) && exit.ExitCode() == 2
	if err != nil && !changed {
		return nil, fmt.Errorf("terraform plan: %w\n%s", err, out)
	}
	show(string(out))
	if !changed {
		return nil, nil
	}
	return t.changes(ctx)
}

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

// show prints what a command has printed, without its boxes: they warn of the
// provider's installation for development.
func show(out string) {
	for line := range strings.Lines(out) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "│") && !strings.HasPrefix(line, "╷") && !strings.HasPrefix(line, "╵") {
			fmt.Print("   ", line)
		}
	}
}
