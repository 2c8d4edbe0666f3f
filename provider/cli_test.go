package provider

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// workspace is a directory in which the command line runs as a user would run it,
// with a provider that is a process. The test framework knows neither
// interruptions nor two applies at once.
type workspace struct {
	dir string
	env []string
}

// newWorkspace makes one for a provider's binary.
func newWorkspace(t testing.TB, binary string) *workspace {
	t.Helper()
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	config := filepath.Join(dir, "terraformrc")
	override := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"nomadscale/nomadscale\" = %q\n  }\n  direct {}\n}\n", plugins)
	if err := errors.Join(
		os.Mkdir(plugins, 0o700),
		os.Symlink(binary, filepath.Join(plugins, "terraform-provider-nomadscale")),
		os.WriteFile(config, []byte(override), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return &workspace{dir: dir, env: append(os.Environ(), "TF_CLI_CONFIG_FILE="+config, "TF_IN_AUTOMATION=1")}
}

// configure writes the configuration, with the provider at an address.
func (w *workspace) configure(t testing.TB, address, config string) {
	t.Helper()
	text := "terraform {\n  required_providers {\n    nomadscale = { source = \"nomadscale/nomadscale\" }\n  }\n}\n" + configuredAt(address, config)
	if err := os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is one that has been started.
type command struct {
	*exec.Cmd
	out bytes.Buffer
}

// start starts a command of the command line, in a process group of its own.
func (w *workspace) start(t testing.TB, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command(os.Getenv("TF_ACC_TERRAFORM_PATH"), append(args, "-no-color")...)}
	c.Dir, c.Env = w.dir, w.env
	c.Stdout, c.Stderr = &c.out, &c.out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			_ = c.Wait()
		}
	})
	return c
}

// interrupt is what a person at the keyboard does: it reaches the whole group.
func (c *command) interrupt(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(-c.Process.Pid, syscall.SIGINT); err != nil {
		t.Error(err)
	}
}

// end waits for the end and returns the exit code and what was printed, as one
// line.
func (c *command) end() (code int, out string) {
	_ = c.Wait()
	return c.ProcessState.ExitCode(), strings.Join(strings.Fields(strings.ReplaceAll(c.out.String(), "│", " ")), " ")
}

// must runs a command that has to exit with a code, and returns what it prints.
func (w *workspace) must(t testing.TB, want int, args ...string) string {
	t.Helper()
	code, out := w.start(t, args...).end()
	if code != want {
		t.Fatalf("%s exits with %d, want %d: %s", strings.Join(args, " "), code, want, out)
	}
	return out
}

// mustPlanNothing requires that a plan is empty.
func (w *workspace) mustPlanNothing(t testing.TB) {
	t.Helper()
	w.must(t, 0, "plan", "-detailed-exitcode")
}

// mustPlanChanges requires that a plan is not empty, and returns it.
func (w *workspace) mustPlanChanges(t testing.TB) string {
	t.Helper()
	return w.must(t, 2, "plan", "-detailed-exitcode")
}

// workspaceFor is a workspace with the project's own binary. It is built without
// the race detector, with which a process takes seconds to start.
func workspaceFor(t testing.TB) *workspace {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return newWorkspace(t, binary)
}

var built = sync.OnceValues(func() (string, error) { return nomadtest.Build(scratch, "nomadscale", ".") })
