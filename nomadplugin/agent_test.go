package nomadplugin_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// soon is longer than any single step of the real parts takes.
const soon = 30 * time.Second

// fast makes the agent evaluate twice a second.
const fast = 500 * time.Millisecond

// awaitAction waits for a count and the action that led to it. Nomad records the action
// after the count.
func awaitAction(t *testing.T, cluster *nomadtest.Agent, p scaler.Policy, count int) (action *nomad.Action) {
	t.Helper()
	nomadtest.Eventually(t, soon, fmt.Sprintf("%s at %d", p.App.Job, count), func() bool {
		status := cluster.Status(t, p)
		action = status.History.LastAction
		return status.Desired == count && action != nil && action.To == count
	})
	return action
}

// The subtests share one Nomad and one agent. Each has its own job.
func TestAgent(t *testing.T) {
	cluster := nomadtest.Start(t)
	gateway := startGateway(t)
	agent := startAgent(t, cluster, gateway)

	t.Run("one action to the goal when the step allows it", func(t *testing.T) {
		p := declare(t, cluster, "leap", scaler.Document{"scale_up_step": "0", "max_instances": "5"})
		gateway.load(p, 500)
		action := awaitAction(t, cluster, p, 5)
		if action.From != 1 || action.To != 5 || action.Rule != scaler.RuleUp {
			t.Errorf("the action was %+v, want 1 to 5 by rule up", action)
		}
		if want := "500 requests a minute"; !strings.Contains(action.Reason, want) {
			t.Errorf("the reason is %q, want it to contain %q", action.Reason, want)
		}
		// The agent logs every decision with its inputs.
		for _, words := range []string{"load=500", "demand=5", "utilisation=5", "min=1", "max=5", "up_cooldown=", "down_cooldown=", "reason="} {
			if !slices.ContainsFunc(strings.Split(agent.output(t), "\n"), func(line string) bool {
				return strings.Contains(line, "job=leap") && strings.Contains(line, "rule=up") && strings.Contains(line, words)
			}) {
				t.Errorf("the log has no decision with %s", words)
			}
		}
	})

	t.Run("kill -9 in a cooldown does not shorten it", func(t *testing.T) {
		const cooldown = 12 * time.Second
		p := declare(t, cluster, "steps", scaler.Document{"scale_up_step": "1", "max_instances": "3", "scale_up_cooldown": cooldown.String()})
		gateway.load(p, 500)
		first := awaitAction(t, cluster, p, 2).Time
		agent.kill(t)
		agent.start(t)
		second := awaitAction(t, cluster, p, 3)
		if second.From != 2 || second.To != 3 {
			t.Errorf("the second action was %+v, want 2 to 3", second)
		}
		if between := second.Time.Sub(first); between < cooldown {
			t.Errorf("the second step came %s after the first, within the cooldown of %s", between, cooldown)
		}
	})

	t.Run("gateways that are gone hold the count, and scaling goes on when they are back", func(t *testing.T) {
		p := declare(t, cluster, "blind", scaler.Document{"max_instances": "5", "scale_up_step": "0", "scale_up_cooldown": "0s"})
		gateway.load(p, 200)
		nomadtest.Eventually(t, soon, "the first growth", func() bool { return cluster.Status(t, p).Desired == 3 })
		gateway.stop()
		held := agent.evaluations(t, "the load is not known")
		nomadtest.Eventually(t, soon, "evaluations that hold", func() bool {
			return agent.evaluations(t, "the load is not known") >= held+3
		})
		if got := cluster.Status(t, p).Desired; got != 3 {
			t.Errorf("%d instances are desired without a load, want 3", got)
		}
		gateway.start(t)
		gateway.load(p, 400)
		nomadtest.Eventually(t, soon, "growth with the gateways back", func() bool { return cluster.Status(t, p).Desired == 5 })
	})

	t.Run("a wrong value is named in the log and changes nothing", func(t *testing.T) {
		// Every key with an invalid value, and a contradiction.
		wrong := map[string]string{"scale_down_threshold": "2"}
		for _, key := range scaler.Keys() {
			for _, value := range []string{"-1", "no such", ""} {
				if _, given := wrong[key.Name]; !given && key.Check(value) != nil {
					wrong[key.Name] = value
				}
			}
		}
		if want := len(scaler.Keys()); len(wrong) != want {
			t.Fatalf("there is a wrong value for %d keys, want all %d", len(wrong), want)
		}
		policies := make(map[string]scaler.Policy)
		for key, value := range wrong {
			p := nomadtest.Policy(t, "wrong-"+strings.ReplaceAll(key, "_", "-"), scaler.Document{"max_instances": "5"})
			block := jobspec.NewBlock(p)
			block.EvaluationInterval = fast
			job := nomadtest.JobWithBlock(block)
			nomadtest.StrategyConfig(job.TaskGroups[0].Scaling)[key] = value
			policies[key] = p
			gateway.load(p, 500)
			cluster.Register(t, job)
		}
		for key, value := range wrong {
			want := fmt.Sprintf(`%s = "%s": must be `, key, value)
			nomadtest.Eventually(t, soon, want+"… in the agent's log", func() bool {
				// The log escapes quotes, except in an error of several lines.
				return strings.Contains(strings.ReplaceAll(agent.output(t), `\"`, `"`), want)
			})
			if got := cluster.Status(t, policies[key]); got.Desired != 1 || got.History.LastAction != nil {
				t.Errorf("%s: the count is %d after %+v, want 1 and no action", key, got.Desired, got.History.LastAction)
			}
		}
		// Stop them, so that they do not slow down the rest of the test.
		for _, p := range policies {
			if _, _, err := cluster.API.Jobs().Deregister(p.App.Job, false, nil); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("idle apps fall to their minimum, others do not", func(t *testing.T) {
		idle := declare(t, cluster, "idle", scaler.Document{"min_instances": "0", "stop_after_inactive": "10s"})
		busy := declare(t, cluster, "busy", scaler.Document{"min_instances": "0", "stop_after_inactive": "10s"})
		gateway.load(busy, 10)
		gateway.load(idle, 0)
		for _, p := range []scaler.Policy{idle, busy} {
			status := cluster.Status(t, p)
			if err := cluster.Client.Scale(t.Context(), p.App, status, scaler.Decision{Desired: 0, Count: 1, Rule: scaler.RuleActivate}); err != nil {
				t.Fatal(err)
			}
		}
		if rule := awaitAction(t, cluster, idle, 0).Rule; rule != scaler.RuleInactive {
			t.Errorf("the rule was %q, want %q", rule, scaler.RuleInactive)
		}
		if got := cluster.Status(t, busy).Desired; got != 1 {
			t.Errorf("the busy app has %d instances, want 1", got)
		}
	})
}

// declare registers a job with a policy that is evaluated often.
func declare(t *testing.T, cluster *nomadtest.Agent, name string, doc scaler.Document, changes ...func(*jobspec.Block)) scaler.Policy {
	t.Helper()
	p := nomadtest.Policy(t, name, doc)
	block := jobspec.NewBlock(p)
	block.EvaluationInterval = fast
	for _, change := range changes {
		change(&block)
	}
	cluster.Register(t, nomadtest.JobWithBlock(block))
	return p
}

// agent is the real autoscaler. It loads the plugins from its plugin_dir.
type agent struct {
	binary, config, log string

	mutex sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
}

func startAgent(t *testing.T, cluster *nomadtest.Agent, gateway *loadServer, more ...string) *agent {
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	nomadtest.Binary(t, plugins)
	a := &agent{
		binary: nomadtest.Tool(t, "nomad-autoscaler"),
		config: filepath.Join(dir, "agent.hcl"),
		log:    filepath.Join(dir, "agent.log"),
	}
	config := fmt.Sprintf(`
plugin_dir = %q
log_level  = "DEBUG"
http {
  bind_address = "127.0.0.1"
  bind_port    = %d
}
nomad {
  address = %q
}
strategy "nomadscale" {
  driver = "nomadscale"
  args   = ["strategy"]
  config = {
    watchdog = "10s"
  }
}
apm "nomadscale" {
  driver = "nomadscale"
  args   = ["apm"]
  config = {
    gateways = %q
  }
}
`, plugins, nomadtest.FreePort(t), cluster.Address, "http://"+gateway.address) + strings.Join(more, "")
	if err := os.WriteFile(a.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	a.start(t)
	t.Cleanup(func() {
		_ = a.signal(os.Interrupt)
		a.wait()
		if t.Failed() {
			log := a.output(t)
			t.Logf("the end of the agent's log:\n%s", log[max(0, len(log)-20000):])
		}
	})
	return a
}

func (a *agent) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer log.Close()
	cmd, ended := exec.Command(a.binary, "agent", "-config", a.config), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.cmd, a.ended = cmd, ended
}

// kill kills the agent. Its plugins notice that it is gone and exit.
func (a *agent) kill(t *testing.T) {
	t.Helper()
	if err := a.signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	a.wait()
}

func (a *agent) signal(s os.Signal) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.cmd.Process.Signal(s)
}

func (a *agent) pid() int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.cmd.Process.Pid
}

// wait waits until the agent that runs now has ended.
func (a *agent) wait() {
	a.mutex.Lock()
	ended := a.ended
	a.mutex.Unlock()
	<-ended
}

func (a *agent) output(t testing.TB) string {
	t.Helper()
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// evaluations counts the agent's evaluations whose log line contains some words.
func (a *agent) evaluations(t *testing.T, words string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(a.output(t)) {
		if strings.Contains(line, "calculating scaling target") && strings.Contains(line, words) {
			n++
		}
	}
	return n
}
