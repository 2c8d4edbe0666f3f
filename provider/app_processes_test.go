package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// An apply that is interrupted while it waits leaves a job that is in the state,
// and is no reason to replace it.
func TestInterruptedApply(t *testing.T) {
	t.Parallel()
	const id = "interrupted"
	slow := strings.Replace(deploying(id), `min_healthy_time = "1s"`, `min_healthy_time = "10m"`, 1)
	slow = strings.Replace(slow, "max_parallel = 1", "max_parallel = 1\n healthy_deadline = \"20m\"\n progress_deadline = \"30m\"", 1)
	w := workspaceFor(t)
	for _, most := range []string{"5", "6"} { // while it creates, and while it updates
		waiting := make(chan struct{})
		m := &meddler{waiting: func() error { close(waiting); return nil }}
		w.configure(t, m.start(t), app("a", slow, `autoscaling = { max_instances = `+most+` }`))
		applying := w.start(t, "apply", "-auto-approve")
		select {
		case <-waiting:
		case <-time.After(time.Minute):
			t.Fatal("the apply does not wait for the deployment")
		}
		applying.interrupt(t)
		code, out := applying.end()
		for _, want := range []string{"Waiting for app default/interrupted/web was interrupted", "Nomad has the job as it is declared"} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not say %q: %s", want, out)
			}
		}
		if code == 0 {
			t.Errorf("it succeeds: %s", out)
		}
		w.mustPlanNothing(t)
		if err := counts(id, 1)(nil); err != nil {
			t.Error(err)
		}
	}
}

// An interruption in the middle of a registration leaves nothing open.
func TestInterruptionDuringTheWrite(t *testing.T) {
	t.Parallel()
	const id = "interrupted-write"
	ctx, interrupt := context.WithCancel(t.Context())
	m := &meddler{before: func() error { interrupt(); return nil }}
	client, err := nomad.New(&api.Config{Address: m.start(t)})
	if err != nil {
		t.Fatal(err)
	}
	specification := spec(id, "")
	parsed, err := client.ParseJob(ctx, specification)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Namespace = new(api.DefaultNamespace)
	block, err := settings{}.block(scaler.AppID{Namespace: api.DefaultNamespace, Job: id, Group: "web"})
	if err != nil {
		t.Fatal(err)
	}
	written, err := client.CreateJob(ctx, nomad.Declaration{Specification: specification, Job: parsed, Block: block})
	if err != nil || written.Job == nil || *written.Job.JobModifyIndex != *job(t, id).JobModifyIndex {
		t.Errorf("the job that was written is %v, with error %v; want the live one", written.Job, err)
	}
	if ctx.Err() == nil {
		t.Error("nothing was interrupted")
	}
}

// Of two applies of the same job at once, one wins, and the other one says so.
// The state of both is true.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	const id = "contested"
	workspaces := []*workspace{workspaceFor(t), workspaceFor(t)}
	// race applies what each workspace has planned at the same time, and returns
	// those that succeed. The others must say why they do not.
	race := func(says string) (won []*workspace) {
		t.Helper()
		var applying []*command
		for _, w := range workspaces {
			w.must(t, 0, "plan", "-out=plan")
		}
		for _, w := range workspaces {
			applying = append(applying, w.start(t, "apply", "plan"))
		}
		for i, c := range applying {
			if code, out := c.end(); code == 0 {
				won = append(won, workspaces[i])
			} else if !strings.Contains(out, says) {
				t.Errorf("the apply that lost does not say %q: %s", says, out)
			}
		}
		return won
	}
	declare := func(w *workspace, most int64) {
		w.configure(t, agent.Address, app("a", spec(id, ""), fmt.Sprintf("autoscaling = { max_instances = %d }", most)))
	}
	for _, w := range workspaces {
		declare(w, 5)
	}
	// Nomad can take both, which say the same: then both have it.
	won := race("The job exists already")
	if len(won) == 0 {
		t.Fatal("neither apply succeeds")
	}
	for _, w := range workspaces {
		if !slices.Contains(won, w) {
			w.must(t, 0, "import", a, "default/"+id+"/web")
		}
		w.mustPlanNothing(t)
	}

	scale(t, id, 3)
	most := map[*workspace]int64{workspaces[0]: 6, workspaces[1]: 7}
	for w, n := range most {
		declare(w, n)
	}
	// One that is written over for a moment can take itself for lost.
	won = race("The job was changed")
	live := *job(t, id).TaskGroups[0].Scaling.Max
	if len(won) > 1 || len(won) == 1 && most[won[0]] != live {
		t.Errorf("%d applies succeed, and max is %d", len(won), live)
	}
	for w, n := range most {
		if n == live {
			w.mustPlanNothing(t)
		} else {
			w.mustPlanChanges(t)
		}
	}
	for w, n := range most {
		if n != live {
			w.must(t, 0, "apply", "-auto-approve")
		}
	}
	if err := counts(id, 3)(nil); err != nil {
		t.Error(err)
	}
}
