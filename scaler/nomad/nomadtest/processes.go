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

// mark is a variable that all processes inherit that an agent starts. A task of a purged job
// can continue to run after Nomad has forgotten it, and would survive the agent. Its process
// is therefore found by this variable. Without /proc, only Nomad's own state is used.
const mark = "NOMADTEST_DIR"

// awaitTasks waits for a while until no process runs that the agent has started.
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

// killTasks kills the processes that the agent has left.
func (a *Agent) killTasks() {
	for _, pid := range a.started() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// started returns the processes that the agent has started, directly or through others.
func (a *Agent) started() []int {
	return slices.DeleteFunc(Processes(dirVariable+"="+a.dir), func(pid int) bool { return pid == a.cmd.Process.Pid })
}

// Processes returns the processes with a variable, as name=value, in their environment.
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
