package nomadtest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dirVariable marks the processes that an agent starts: all of them inherit it. A task
// of a purged job can run for a while after Nomad has forgotten it, and would outlive
// the agent. Without /proc, only what Nomad reports is known.
const dirVariable = "NOMADTEST_DIR"

// awaitTasks waits up to 10 seconds until no process of the agent's tasks runs.
func (a *Agent) awaitTasks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(a.started()) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-a.exited:
			return
		case <-tick.C:
		}
	}
}

// killTasks kills the processes that the agent left running.
func (a *Agent) killTasks() {
	for _, pid := range a.started() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// started returns the processes that the agent has started, directly or indirectly.
func (a *Agent) started() []int {
	return slices.DeleteFunc(Processes(dirVariable+"="+a.dir), func(pid int) bool { return pid == a.cmd.Process.Pid })
}

// Processes returns the processes whose environment contains a variable, given as
// name=value.
func Processes(variable string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(environ), "\x00"), variable) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
