package nomadplugin_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// Of several agents, gateways or servers, one can fail: cooldowns stay in force, a load
// that is only partly known changes no count, and scaling goes on.
func TestFailover(t *testing.T) {
	cluster := nomadtest.StartServers(t, 3)

	t.Run("one of two agents is lost in a cooldown", func(t *testing.T) {
		gateway := startGateway(t)
		// Nomad allows no shorter TTL. A lock that has expired is free again after its
		// delay, and the standby tries to take it every 11 seconds.
		const shared = `
high_availability {
  enabled    = true
  lock_path  = "nomad-autoscaler/lock"
  lock_ttl   = "10s"
  lock_delay = "1s"
}
`
		const takeover = 10*time.Second + time.Second + 11*time.Second
		const cooldown = takeover + 15*time.Second
		p := declare(t, cluster.Agent, "pair", scaler.Document{"max_instances": "3", "scale_up_cooldown": cooldown.String()})
		active := startAgent(t, cluster.Agent, gateway, shared)
		nomadtest.Eventually(t, soon, "the first agent to be active", func() bool { return active.evaluations(t, "") > 0 })
		standby := startAgent(t, cluster.Agent, gateway, shared)
		nomadtest.Eventually(t, soon, "the second agent to run", func() bool { return strings.Contains(standby.output(t), "running in HA mode") })

		gateway.load(p, 500)
		first := awaitStep(t, cluster.Agent, p, soon, 2)
		evaluations := active.evaluations(t, "")
		nomadtest.Eventually(t, soon, "evaluations by the active agent", func() bool { return active.evaluations(t, "") >= evaluations+3 })
		if got := standby.evaluations(t, ""); got > 0 {
			t.Errorf("the standby has evaluated %d times while the other agent is active, want never", got)
		}
		active.kill(t)
		nomadtest.Eventually(t, cooldown, "the standby to take over", func() bool { return standby.evaluations(t, "scale_up_cooldown has") > 0 })
		if second := awaitStep(t, cluster.Agent, p, 2*cooldown, 3); second.Sub(first) < cooldown {
			t.Errorf("the second step came %s after the first, within the cooldown of %s", second.Sub(first), cooldown)
		}
	})

	t.Run("one of two gateways is lost", func(t *testing.T) {
		kept, lost := startGateway(t), startGateway(t)
		lostURL := ",http://" + lost.address
		agent := startAgent(t, cluster.Agent, &loadServer{address: kept.address + lostURL})
		p := declare(t, cluster.Agent, "halves", scaler.Document{
			"max_instances": "9", "scale_up_step": "0", "scale_up_cooldown": "0s", "scale_down_step": "0", "scale_down_cooldown": "0s",
		})
		kept.load(p, 180)
		lost.load(p, 180)
		nomadtest.Eventually(t, soon, "growth to the sum of both loads", func() bool { return desired(t, cluster.Agent, p) == 4 })

		// loseOne stops a gateway and checks that the count stays, although the load of
		// the other gateway alone would need fewer instances.
		loseOne := func() {
			t.Helper()
			lost.stop()
			held := agent.evaluations(t, "the load is not known")
			kept.load(p, 10)
			nomadtest.Eventually(t, soon, "evaluations that hold", func() bool { return agent.evaluations(t, "the load is not known") >= held+4 })
			if got := desired(t, cluster.Agent, p); got != 4 {
				t.Errorf("%d instances are desired with one gateway lost, want 4", got)
			}
		}
		loseOne()
		lost.load(p, 350)
		lost.start(t)
		nomadtest.Eventually(t, soon, "evaluations of both loads again", func() bool { return agent.evaluations(t, "360 requests a minute") > 2 })

		loseOne()
		config, err := os.ReadFile(agent.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(agent.config, []byte(strings.Replace(string(config), lostURL, "", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := agent.signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		nomadtest.Eventually(t, soon, "one instance, by the load of the remaining gateway", func() bool { return desired(t, cluster.Agent, p) == 1 })
	})

	t.Run("the leader of three servers is lost in a cooldown", func(t *testing.T) {
		gateway := startGateway(t)
		agent := startAgent(t, cluster.Agent, gateway)
		agent.supervise(t)
		const cooldown = 20 * time.Second
		p := declare(t, cluster.Agent, "led", scaler.Document{"max_instances": "3", "scale_up_cooldown": cooldown.String()})
		gateway.load(p, 500)
		first := awaitStep(t, cluster.Agent, p, soon, 2)
		cluster.KillLeader(t)
		if took := time.Since(first); took >= cooldown {
			t.Errorf("the next leader took %s, longer than the cooldown of %s", took, cooldown)
		}
		if second := awaitStep(t, cluster.Agent, p, recovery, 3); second.Sub(first) < cooldown {
			t.Errorf("the second step came %s after the first, within the cooldown of %s", second.Sub(first), cooldown)
		}
	})
}

// awaitStep waits for the scaling event of one step up to a count, and returns its
// time.
func awaitStep(t *testing.T, cluster *nomadtest.Agent, p scaler.Policy, limit time.Duration, to int) (at time.Time) {
	t.Helper()
	nomadtest.Eventually(t, limit, fmt.Sprintf("a step to %d", to), func() bool {
		status, err := cluster.Client.Status(t.Context(), p.App)
		action := status.History.LastAction
		if err != nil || action == nil || action.To < to {
			return false
		}
		if action.From != to-1 || action.To != to {
			t.Errorf("the action was %d to %d, want %d to %d", action.From, action.To, to-1, to)
		}
		at = action.Time
		return true
	})
	return at
}
