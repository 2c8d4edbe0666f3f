package nomad_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// deployed returns a job with two groups. Each has an update block in HCL, or the default
// one for "".
func deployed(id, app, other string) string {
	group := func(name, update string) string {
		return fmt.Sprintf(`
  group %q {
    %s
    task "sleep" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }`, name, update)
	}
	return fmt.Sprintf("job %q {%s%s\n}", id, group("app", app), group("other", other))
}

// The advice about update blocks matches what Nomad does. Without advice, two changes of
// the count can follow each other immediately. With advice, Nomad refuses the second for
// the time that the advice names.
func TestAdviceOfUpdateBlocksIsTrue(t *testing.T) {
	t.Parallel()
	const (
		none    = "update {\n max_parallel = 0\n }"
		soon    = "update {\n health_check = \"task_states\"\n min_healthy_time = \"0s\"\n }"
		seconds = "update {\n health_check = \"task_states\"\n min_healthy_time = \"4s\"\n }"
	)
	agent := nomadtest.Start(t)
	for _, c := range []struct {
		name, app, other string
		locked           string
	}{
		{"none", none, none, ""},
		{"soon", soon, none, ""},
		{"byDefault", "", none, "10s"},
		{"seconds", seconds, none, "4s"},
		{"otherGroup", none, seconds, "4s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := nomadtest.Policy(t, "update-"+c.name, scaler.Document{"min_instances": "0"})
			parsed, err := agent.Client.ParseJob(t.Context(), deployed(p.App.Job, c.app, c.other))
			if err != nil {
				t.Fatal(err)
			}
			block := jobspec.NewBlock(p)
			advice := jobspec.Advise(parsed, block)
			switch {
			case c.locked == "" && len(advice) > 0:
				t.Errorf("got %+v, want none", advice)
			case c.locked != "" && (len(advice) != 1 || !strings.Contains(advice[0].Reason, "healthy for "+c.locked)):
				t.Errorf("got %+v, want a lock of %s", advice, c.locked)
			}
			block.Target = jobspec.Driver
			if advice := jobspec.Advise(parsed, block); len(advice) > 0 {
				t.Errorf("with our own target: %+v", advice)
			}

			parsed.TaskGroups[0].Scaling = jobspec.NewBlock(p).Render()
			agent.Register(t, parsed)
			scale := func(count int) error {
				_, _, err := agent.API.Jobs().Scale(p.App.Job, p.App.Group, &count, "", false, nil, nil)
				return err
			}
			placed := func(count int) func() bool {
				return func() bool {
					allocations, _, err := agent.API.Jobs().Allocations(p.App.Job, false, nil)
					return err == nil && len(allocations) == count+1
				}
			}
			// Nomad creates the deployment when it places the instances.
			nomadtest.Eventually(t, time.Minute, "the job is placed", placed(0))
			nomadtest.Eventually(t, time.Minute, "the first change is accepted", func() bool { return scale(1) == nil })
			nomadtest.Eventually(t, time.Minute, "the first instance is placed", placed(1))
			began := time.Now()
			nomadtest.Eventually(t, time.Minute, "the second change is accepted", func() bool { return scale(2) == nil })
			took := time.Since(began)
			least, _ := scaler.ParseDuration(c.locked)
			if most := least + 4*time.Second; took < least || took > most {
				t.Errorf("the second change was refused for %s, want %s to %s", took, least, most)
			}
			// Purging a job while it is being placed would crash the agent.
			nomadtest.Eventually(t, time.Minute, "the second instance is placed", placed(2))
		})
	}
}
