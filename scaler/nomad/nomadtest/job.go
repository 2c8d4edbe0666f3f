package nomadtest

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Policy returns a policy for the group "app" of a job. The keys in doc replace the
// defaults.
func Policy(t testing.TB, job string, doc scaler.Document) scaler.Policy {
	t.Helper()
	whole := scaler.Document{"namespace": "default", "job": job, "group": "app"}
	maps.Copy(whole, doc)
	p, err := scaler.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Job returns a job with a policy. Its only group has one port, "http", and starts at
// the policy's minimum. Its task sleeps, or runs command.
func Job(p scaler.Policy, command ...string) *api.Job {
	return JobWithBlock(jobspec.NewBlock(p), command...)
}

// JobWithBlock is [Job] with a whole scaling block.
func JobWithBlock(block jobspec.Block, command ...string) *api.Job {
	if len(command) == 0 {
		command = []string{"/bin/sleep", "3600"}
	}
	p := block.Policy
	task := api.NewTask("app", "raw_exec").Require(&api.Resources{CPU: new(20), MemoryMB: new(16)})
	task.Config = map[string]any{"command": command[0], "args": command[1:]}
	task.KillTimeout = new(time.Second)
	group := api.NewTaskGroup(p.App.Group, p.MinInstances).AddTask(task)
	group.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	group.Scaling = block.Render()
	job := api.NewServiceJob(p.App.Job, p.App.Job, "global", 50).AddTaskGroup(group)
	job.Namespace = &p.App.Namespace
	// Without deployments, changes of the count can follow each other at once.
	job.Update = &api.UpdateStrategy{MaxParallel: new(0)}
	return job
}

// StrategyConfig returns the policy document in a rendered block, for a test to change.
func StrategyConfig(block *api.ScalingPolicy) map[string]any {
	return labelledBody(labelledBody(block.Policy["check"], "load")["strategy"], jobspec.Driver)
}

// labelledBody returns the body of the first of some nested blocks, which has a label.
func labelledBody(blocks any, label string) map[string]any {
	labelled, _ := blocks.([]any)
	bodies, _ := labelled[0].(map[string]any)
	list, _ := bodies[label].([]any)
	body, _ := list[0].(map[string]any)
	return body
}

// Register registers a job.
func (a *Agent) Register(t testing.TB, job *api.Job) {
	t.Helper()
	if _, _, err := a.API.Jobs().Register(job, nil); err != nil {
		t.Fatalf("registering job %s: %v", *job.ID, err)
	}
}

// Submit registers the job in an HCL file, with values for its variables.
func (a *Agent) Submit(file string, variables map[string]string) error {
	source, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a job: %w", err)
	}
	var assignments strings.Builder
	for name, value := range variables {
		fmt.Fprintf(&assignments, "%s = %q\n", name, value)
	}
	job, err := a.API.Jobs().ParseHCLOpts(&api.JobsParseRequest{JobHCL: string(source), Variables: assignments.String()})
	if err != nil {
		return fmt.Errorf("parsing %s: %w", file, err)
	}
	if _, _, err := a.API.Jobs().Register(job, nil); err != nil {
		return fmt.Errorf("registering %s: %w", file, err)
	}
	return nil
}

// Status reads the count and the history of a policy's group.
func (a *Agent) Status(t testing.TB, p scaler.Policy) nomad.Status {
	t.Helper()
	status, err := a.Client.Status(t.Context(), p.App)
	if err != nil {
		t.Fatal(err)
	}
	return status
}
