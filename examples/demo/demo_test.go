package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// The demo itself fails unless it sees every step. With -keep, it waits for an interrupt
// before the last step.
func TestDemo(t *testing.T) {
	summary := false
	runDemo(t, "-keep", func(line string) (interrupt bool) {
		summary = summary || line == "Results:"
		return strings.Contains(line, "Keeping everything running until interrupted")
	})
	if !summary {
		t.Error("there is no summary")
	}
}

// A shell that runs the lines that the sandbox prints can call every command of the
// walk-throughs and is in their directory.
func TestSandbox(t *testing.T) {
	var lines []string
	runDemo(t, "-sandbox", func(line string) (interrupt bool) {
		if !strings.HasPrefix(line, "export ") && !strings.HasPrefix(line, "cd ") {
			return false
		}
		if lines = append(lines, line); strings.HasPrefix(line, "export ") {
			return false
		}
		const use = `
			cd quickstart && terraform init
			nomadscale status && nomad job status nomad-autoscaler
			curl -sS --fail-with-body -o /dev/null -w '%{http_code}' "$GATEWAY/apps/default/missing/web/" || [ $? = 22 ]
			command -v hey`
		out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.Join(lines, "\n")+use).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		for _, want := range []string{"There are no apps", "\n404", "/bin/hey"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q is missing in\n%s", want, out)
			}
		}
		return true
	})
	if len(lines) < 2 {
		t.Error("the sandbox prints no lines for a shell")
	}
}

// runDemo runs the demo. It interrupts the demo once, after the line for which watch
// returns true. One interrupt must end the demo in order, and no process may outlive it.
func runDemo(t *testing.T, flag string, watch func(line string) (interrupt bool)) {
	t.Helper()
	for _, tool := range []string{"nomad", "nomad-autoscaler", "terraform", "hey"} {
		nomadtest.Tool(t, tool)
	}
	demo, err := nomadtest.Build(t.TempDir(), "demo", "./examples/demo")
	if err != nil {
		t.Fatal(err)
	}
	mark := "TEST_DEMO=" + t.TempDir()
	cmd := exec.CommandContext(t.Context(), demo, flag)
	cmd.Env = append(os.Environ(), mark)
	// One interrupt reaches the whole process group, as from a keyboard.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.Log(lines.Text())
		if watch(lines.Text()) {
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left := nomadtest.Processes(mark); len(left) > 0 {
		t.Errorf("the processes %v are still running", left)
	}
}
