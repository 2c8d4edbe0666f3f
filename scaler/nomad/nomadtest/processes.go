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

// A task of a job that was purged may run on for a while after Nomad has
// forgotten it, and would outlive the agent. So whoever ends an agent looks at
// the processes themselves: all that an agent starts inherit this variable. Where
// there is no /proc to look into, Nomad's word has to do.
const mark = "NOMADTEST_DIR"

// awaitTasks waits a while until nothing runs that the agent has started.
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

// killTasks ends whatever the agent has left running.
func (a *Agent) killTasks() {
	for _, pid := range a.started() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// started are the processes that the agent has started, and those that they have.
func (a *Agent) started() []int {
	return slices.DeleteFunc(Processes(mark+"="+a.dir), func(pid int) bool { return pid == a.cmd.Process.Pid })
}

// Processes are those that have a variable of this value, name=value, in their
// environment.
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
