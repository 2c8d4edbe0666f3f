// Package install tests the installation that the README describes.
package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/examples/sandbox"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// After the README's commands, and with its configuration, the binary works with
// Terraform, OpenTofu and the autoscaler.
func TestInstallsAsTheReadmeSays(t *testing.T) {
	root, err := nomadtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	commands, cli, agent := installation(t, t.TempDir())
	install := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v of\n%s\n%s", err, commands, out)
	}
	cluster := nomadtest.Start(t)

	for tool, registry := range map[string]string{"terraform": "registry.terraform.io", "opentofu": "registry.opentofu.org"} {
		t.Run(tool, func(t *testing.T) {
			path := nomadtest.Tool(t, tool)
			if filepath.Base(path) == "tofu" {
				registry = "registry.opentofu.org" // OpenTofu replaces a missing Terraform
			}
			declaresQuickstart(t, cluster, path, registry, cli)
		})
	}
	t.Run("autoscaler", func(t *testing.T) { scales(t, cluster, agent) })
}

// installation returns what the README's section on installing contains: the commands,
// the configuration of the CLI and that of the autoscaler's agent. In all of them, dir
// replaces /opt and the directory of the built binary.
func installation(t *testing.T, dir string) (commands, cli, agent string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Install\n")
	section, _, _ = strings.Cut(section, "\n## ")
	bin := filepath.Join(dir, "bin")
	section = strings.NewReplacer("/opt/", dir+"/", ".cache/bin/", bin+"/", "make build\n", "make build BIN="+bin+"\n").Replace(section)
	configurations := sandbox.Blocks(section, "hcl")
	if len(configurations) != 3 {
		t.Fatalf("the README has %d configurations, want the CLI's, the agent's, and the agent's for the target", len(configurations))
	}
	return strings.Join(sandbox.Blocks(section, "sh"), "\n"), configurations[0], configurations[1] + configurations[2]
}

// declaresQuickstart applies and destroys the quick start with a CLI that finds the
// provider only through its configuration.
func declaresQuickstart(t *testing.T, cluster *nomadtest.Agent, cli, registry, configuration string) {
	dir := t.TempDir()
	config := filepath.Join(t.TempDir(), "cli.tfrc")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	if _, err := nomadtest.Build(dir, "app", "./examples/app"); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), cli, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+config, "CHECKPOINT_DISABLE=1", "NOMAD_ADDR="+cluster.Address)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("init", "-no-color")
	if out := run("version"); !strings.Contains(out, "provider "+registry+"/nomadscale/nomadscale v0.1.0") {
		t.Errorf("the provider is not the one in the mirror:\n%s", out)
	}
	run("plan", "-out", "saved")
	run("apply", "saved")
	p := nomadtest.Policy(t, "hello", scaler.Document{"group": "web"})
	if running := cluster.Status(t, p).Running; running != 1 {
		t.Errorf("%d instances run after the apply, want 1", running)
	}
	run("plan", "-detailed-exitcode")
	run("destroy", "-auto-approve")
}

// scales fails the test unless an agent with this configuration scales an app that
// needs all plugins: the app is below its minimum and uses nomadscale's target.
func scales(t *testing.T, cluster *nomadtest.Agent, configuration string) {
	config := filepath.Join(t.TempDir(), "agent.hcl")
	configuration += fmt.Sprintf("\nhttp {\n  bind_address = \"127.0.0.1\"\n  bind_port = %d\n}\nnomad {\n  address = %q\n}\n", nomadtest.FreePort(t), cluster.Address)
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	nomadtest.StartProgram(t, nil, nomadtest.Tool(t, "nomad-autoscaler"), "agent", "-config", config)
	p := nomadtest.Policy(t, "low", scaler.Document{"min_instances": "2"})
	block := jobspec.NewBlock(p)
	block.Min, block.Target, block.EvaluationInterval = 1, jobspec.Driver, time.Second
	job := nomadtest.Job(p)
	job.TaskGroups[0].Scaling, job.TaskGroups[0].Count = block.Render(), new(1)
	cluster.Register(t, job)
	nomadtest.Eventually(t, 30*time.Second, "two instances", func() bool { return cluster.Status(t, p).Running == 2 })
}
