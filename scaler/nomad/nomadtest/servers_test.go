package nomadtest_test

import (
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestServersOutliveTheirLeader(t *testing.T) {
	cluster := nomadtest.StartServers(t, 3)
	p := nomadtest.Policy(t, "survivor", nil)
	cluster.Register(t, nomadtest.Job(p))
	cluster.KillLeader(t)
	if got := cluster.Status(t, p).Desired; got != 1 {
		t.Errorf("%d instances are desired, want 1", got)
	}
}
