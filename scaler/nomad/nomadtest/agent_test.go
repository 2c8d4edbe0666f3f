package nomadtest_test

import (
	"testing"

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
