package nomadtest_test

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestStart(t *testing.T) {
	agent := nomadtest.Start(t, nomadtest.Options{ACL: true})
	self, err := agent.API.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	if got := self.Member.Status; got != "alive" {
		t.Errorf("the agent is %q, want alive", got)
	}
}

// No process outlives an agent, not even one of a purged job.
func TestNothingIsLeft(t *testing.T) {
	var agent *nomadtest.Agent
	t.Run("run", func(t *testing.T) {
		agent = nomadtest.Start(t)
		p := nomadtest.Policy(t, "stubborn", nil)
		agent.Register(t, nomadtest.Job(p, "/bin/sh", "-c", "trap '' INT TERM; while true; do sleep 1; done"))
		nomadtest.Eventually(t, 30*time.Second, "a running task", func() bool { return agent.Status(t, p).Running == 1 })
		if _, _, err := agent.API.Jobs().Deregister(p.App.Job, true, nil); err != nil {
			t.Fatal(err)
		}
	})
	if left := nomadtest.Left(agent); len(left) > 0 {
		t.Errorf("the processes %v are left", left)
	}
}
