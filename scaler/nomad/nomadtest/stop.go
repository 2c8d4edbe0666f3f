package nomadtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Stop stops every job and the agent, and unmounts what the agent mounted.
func (a *Agent) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := a.StopJobs(ctx)
	a.end(ctx)
	return err
}

// Kill kills the agent. Its tasks keep running.
func (a *Agent) Kill() {
	_ = a.cmd.Process.Kill()
	<-a.exited
}

// end stops the agent and every process that it started, and unmounts what it mounted.
func (a *Agent) end(ctx context.Context) {
	a.awaitTasks(ctx)
	_ = a.cmd.Process.Signal(os.Interrupt)
	select {
	case <-a.exited:
	case <-ctx.Done():
		a.Kill()
	}
	a.killTasks()
	a.unmount()
	a.tasks.release()
}

// StopJobs purges every job and waits until none of its allocations runs. It skips
// shutdown delays.
func (a *Agent) StopJobs(ctx context.Context) error {
	all := (&api.QueryOptions{Namespace: api.AllNamespacesNamespace}).WithContext(ctx)
	return a.Poll(ctx, "stopping the jobs", func() error {
		jobs, _, err := a.API.Jobs().List(all)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			options := &api.DeregisterOptions{Purge: true, NoShutdownDelay: true}
			if _, _, err := a.API.Jobs().DeregisterOpts(job.ID, options, (&api.WriteOptions{Namespace: job.Namespace}).WithContext(ctx)); err != nil {
				return err
			}
		}
		allocations, _, err := a.API.Allocations().List(all)
		if err != nil {
			return err
		}
		for _, allocation := range allocations {
			switch allocation.ClientStatus {
			case api.AllocClientStatusPending, api.AllocClientStatusRunning:
				return fmt.Errorf("allocation %s of job %s is %s", allocation.ID, allocation.JobID, allocation.ClientStatus)
			}
		}
		return nil
	})
}

// unmount unmounts the memory file systems of allocation directories. A killed agent
// leaves them mounted.
func (a *Agent) unmount() {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], a.dir) {
			_ = exec.Command("umount", fields[1]).Run()
		}
	}
}
