package nomad_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// With only the policies of the files, the gateway starts and grows an app, and the
// autoscaler takes it to zero. This works although the active agent has lost a
// plugin: the watchdog ends that agent, Nomad restarts it, and meanwhile the other
// agent takes over.
func TestJobsWorkWithTheirPolicies(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{ACL: true})
	dir := t.TempDir()
	binary := nomadtest.Binary(t, filepath.Join(dir, "plugins"))
	app, err := nomadtest.Build(dir, "app", "./examples/app")
	if err != nil {
		t.Fatal(err)
	}
	for job, file := range map[string]string{"nomadscale-gateway": "gateway.policy.hcl", "nomad-autoscaler": "autoscaler.policy.hcl"} {
		policy := &api.ACLPolicy{Name: job, Rules: read(t, file), JobACL: &api.JobACL{Namespace: "default", JobID: job}}
		if _, err := cluster.API.ACLPolicies().Upsert(policy, nil); err != nil {
			t.Fatal(err)
		}
	}
	port := fmt.Sprint(nomadtest.FreePort(t))
	for file, variables := range map[string]map[string]string{
		"gateway.nomad.hcl":    {"nomadscale": binary, "http_port": port},
		"autoscaler.nomad.hcl": {"autoscaler": nomadtest.Tool(t, "nomad-autoscaler"), "plugin_dir": filepath.Dir(binary), "agents": "2", "watchdog": "10s"},
	} {
		if err := cluster.Submit(file, variables); err != nil {
			t.Fatal(err)
		}
	}

	p := nomadtest.Policy(t, "hello", scaler.Document{
		"min_instances": "0", "max_instances": "3", "target_requests_per_instance": "10", "scale_up_step": "0",
		"scale_up_cooldown": "0s", "stop_after_inactive": "10s",
	})
	block := jobspec.NewBlock(p)
	block.EvaluationInterval = time.Second
	job := nomadtest.Job(p, app)
	job.TaskGroups[0].Scaling = block.Render()
	cluster.Register(t, job)

	url := "http://127.0.0.1:" + port + "/apps/" + p.App.String() + "/"
	nomadtest.Eventually(t, 60*time.Second, "an answer from zero", func() bool { return nomadtest.Get(t.Context(), url, nil) == nil })
	nomadtest.Eventually(t, 30*time.Second, "growth under load", func() bool {
		_ = nomadtest.Get(t.Context(), url, nil)
		return cluster.Status(t, p).Desired == 3
	})
	agents := func() (running int, restarts uint64) {
		allocations, _, err := cluster.API.Jobs().Allocations("nomad-autoscaler", false, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, allocation := range allocations {
			if task := allocation.TaskStates["agent"]; task != nil {
				restarts += task.Restarts
				if task.State == "running" {
					running++
				}
			}
		}
		return running, restarts
	}
	// The gateway grows the app without the agents, so it may finish before they run.
	nomadtest.Eventually(t, time.Minute, "two running agents", func() bool { running, _ := agents(); return running == 2 })
	if _, restarts := agents(); restarts != 0 {
		t.Fatalf("the agents were restarted %d times", restarts)
	}
	plugin, err := exec.Command("pgrep", "-f", "^"+binary+" apm").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(plugin)))
	if err != nil {
		t.Fatalf("one of two agents has plugins: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, time.Minute, "a restart of the agent that the watchdog has ended", func() bool {
		_, restarts := agents()
		return restarts > 0
	})
	nomadtest.Eventually(t, 3*time.Minute, "zero, which only the autoscaler decides", func() bool { return cluster.Status(t, p).Desired == 0 })
	if rule := cluster.Status(t, p).History.LastAction.Rule; rule != scaler.RuleInactive {
		t.Errorf("the last rule was %q, want %q", rule, scaler.RuleInactive)
	}
	noTokenIsTold(t, cluster, binary, p)
}

// noTokenIsTold fails the test if the token of a process of the binary is in its log,
// in the arguments of a process or in the app's scaling events.
func noTokenIsTold(t *testing.T, cluster *nomadtest.Agent, binary string, p scaler.Policy) {
	t.Helper()
	events, _, err := cluster.API.Jobs().ScaleStatus(p.App.Job, nil)
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	arguments, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	tokens := 0
	for _, process := range arguments {
		line, err := os.ReadFile(process)
		if err != nil || !strings.HasPrefix(string(line), binary) {
			continue
		}
		environ, err := os.ReadFile(filepath.Join(filepath.Dir(process), "environ"))
		if err != nil {
			continue // the process has ended
		}
		variable := func(name string) string {
			_, rest, _ := strings.Cut("\x00"+string(environ), "\x00"+name+"=")
			value, _, _ := strings.Cut(rest, "\x00")
			return value
		}
		token := variable("NOMAD_TOKEN")
		if token == "" {
			t.Errorf("%q has no token", line)
			continue
		}
		tokens++
		logs, err := filepath.Glob(filepath.Join(variable("NOMAD_ALLOC_DIR"), "logs", "*.std*.0"))
		if err != nil || len(logs) == 0 {
			t.Errorf("%d logs, %v", len(logs), err)
		}
		for _, file := range append(logs, arguments...) {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), token) {
				t.Errorf("a token is in %s", file)
			}
		}
		if strings.Contains(string(told), token) {
			t.Error("a token is in a scaling event")
		}
	}
	// The gateway, and the three plugins of the active agent.
	if tokens < 4 {
		t.Errorf("%d processes have a token, want 4", tokens)
	}
}

// If a policy lacks one of its capabilities, the error names the missing one.
func TestErrorsNameTheMissingCapability(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{ACL: true})
	p := nomadtest.Policy(t, "hello", scaler.Document{"max_instances": "3"})
	cluster.Register(t, nomadtest.Job(p))
	nomadtest.Eventually(t, 30*time.Second, "a running instance", func() bool { return cluster.Status(t, p).Running == 1 })

	// The allocation of this job is in its shutdown delay.
	delayed := nomadtest.Policy(t, "delayed", scaler.Document{"min_instances": "0"})
	job := nomadtest.Job(delayed)
	job.TaskGroups[0].ShutdownDelay = new(time.Hour)
	*job.TaskGroups[0].Count = 1
	cluster.Register(t, job)
	nomadtest.Eventually(t, 30*time.Second, "another running instance", func() bool { return cluster.Status(t, delayed).Running == 1 })
	status := cluster.Status(t, delayed)
	if err := cluster.Client.Scale(t.Context(), delayed.App, status, scaler.Decision{Desired: 1, Count: 0}); err != nil {
		t.Fatal(err)
	}
	allocations, _, err := cluster.API.Jobs().Allocations("delayed", true, nil)
	if err != nil || len(allocations) != 1 {
		t.Fatalf("%d allocations, %v; want one", len(allocations), err)
	}

	uses := map[string]func(*nomad.Client) error{
		"list-scaling-policies": func(c *nomad.Client) error { return watchOnce(t, c) },
		"read-scaling-policy":   func(c *nomad.Client) error { return watchOnce(t, c) },
		"read-job": func(c *nomad.Client) error {
			_, statusErr := c.Status(t.Context(), p.App)
			_, err := c.ServiceAddresses(t.Context(), "default", "any")
			return errors.Join(statusErr, err)
		},
		"scale-job": func(c *nomad.Client) error { return c.Record(t.Context(), p.App, "a note", nil) },
		"alloc-lifecycle": func(c *nomad.Client) error {
			return c.EndDelay(t.Context(), allocations[0].ID)
		},
	}
	for _, file := range []string{"gateway.policy.hcl", "autoscaler.policy.hcl"} {
		for _, capability := range capabilities(read(t, file)) {
			use := uses[capability]
			if capability == "submit-job" {
				continue // optional: scaler/nomad's own tests show the wait without it
			}
			if use == nil {
				t.Errorf("%s has the capability %s, which this test does not use", file, capability)
				continue
			}
			t.Run(file+" without "+capability, func(t *testing.T) {
				without := regexp.MustCompile(`(?m)^.*"(`+capability+`|submit-job)".*$`).ReplaceAllString(read(t, file), "")
				err := use(client(t, cluster, without))
				if !errors.Is(err, nomad.ErrDenied) || !strings.Contains(err.Error(), capability) {
					t.Errorf("error %v, want one that names %s", err, capability)
				}
			})
		}
		t.Run(file, func(t *testing.T) {
			c := client(t, cluster, read(t, file))
			for _, capability := range capabilities(read(t, file)) {
				if use := uses[capability]; use != nil {
					if err := use(c); err != nil {
						t.Errorf("with the whole policy, the call that needs %s fails: %v", capability, err)
					}
				}
			}
		})
	}

	// The agents themselves use the lock, so the error is Nomad's own.
	t.Run("the agents' lock", func(t *testing.T) {
		policy := read(t, "autoscaler.policy.hcl")
		if err := lock(t, cluster, policy); err != nil {
			t.Errorf("with the whole policy: %v", err)
		}
		if err := lock(t, cluster, strings.Replace(policy, `"write"`, `"read"`, 1)); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("error %v without write, want 403", err)
		}
	})
}

// lock acquires, renews and releases the lock as an agent with high availability does.
func lock(t *testing.T, cluster *nomadtest.Agent, rules string) error {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: cluster.Address, SecretID: token(t, cluster, rules)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Locks(api.WriteOptions{Namespace: "default"}, api.Variable{
		Path: "nomad-autoscaler/lock", Lock: &api.VariableLock{TTL: "15s", LockDelay: "1s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Acquire(t.Context()); err != nil {
		return err
	}
	return errors.Join(l.Renew(t.Context()), l.Release(t.Context()))
}

// A token with the provider's policy creates and removes a job, and attaches a policy
// to a job that something else owns. If one capability is removed, the error names
// the missing one.
func TestProviderWorksWithItsPolicy(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{ACL: true})
	policy := read(t, "provider.policy.hcl")
	p := nomadtest.Policy(t, "owned", scaler.Document{"max_instances": "3"})
	const specification = `job "owned" {
  group "app" {
    task "app" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}`
	life := func(c *nomad.Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		job, err := c.ParseJob(ctx, specification)
		if err != nil {
			return err
		}
		job.Namespace = new("default")
		written, err := c.CreateJob(ctx, nomad.Declaration{Specification: specification, Job: job, Block: jobspec.NewBlock(p)})
		if err != nil {
			return err
		}
		if err := c.AwaitHealthy(ctx, written); err != nil {
			return err
		}
		return c.RemoveJob(ctx, "default", "owned", true)
	}
	lent := nomadtest.Policy(t, "lent", scaler.Document{"max_instances": "3"})
	owners := nomadtest.Job(lent)
	owners.TaskGroups[0].Scaling = nil
	cluster.Register(t, owners)
	lend := func(c *nomad.Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		written, former, err := c.Attach(ctx, jobspec.NewBlock(lent))
		if err != nil {
			return err
		}
		if err := c.AwaitDeployed(ctx, written); err != nil {
			return err
		}
		return c.Detach(ctx, lent.App, former)
	}
	standing := nomadtest.Policy(t, "standing", scaler.Document{"max_instances": "3"})
	cluster.Register(t, nomadtest.Job(standing))
	target := standing.App
	override := func(c *nomad.Client) error {
		set, err := c.Override(t.Context(), target)
		if err != nil && !errors.Is(err, nomad.ErrNotFound) {
			return err
		}
		now := time.Now()
		index, err := c.SetOverride(t.Context(), target, &scaler.Override{MaxInstances: new(2), ExpiresAt: now.Add(time.Hour)}, set.ModifyIndex, now)
		if err != nil {
			return err
		}
		if all, err := c.ListOverrides(t.Context()); err != nil || len(all) != 1 {
			return fmt.Errorf("%d overrides are found: %w", len(all), err)
		}
		return c.ClearOverride(t.Context(), target, index)
	}
	list := func(c *nomad.Client) error {
		apps, err := c.Apps(t.Context())
		for _, app := range apps {
			_, told := c.Events(t.Context(), app.ID)
			err = errors.Join(err, told)
		}
		return err
	}
	scale := func(c *nomad.Client) error {
		other := 3 - cluster.Status(t, standing).Desired
		_, err := c.ScaleManually(t.Context(), target, other, "by hand")
		return err
	}
	uses := map[string]struct {
		do    func(*nomad.Client) error
		needs []string
	}{
		"owning":     {life, []string{"submit-job", "read-job"}},
		"lending":    {lend, []string{"submit-job", "read-job"}},
		"overriding": {override, []string{"read-job", "read", "write", "destroy"}},
		"listing":    {list, []string{"list-scaling-policies", "read-scaling-policy", "read-job"}},
		"scaling":    {scale, []string{"read-job"}},
	}
	for name, use := range uses {
		if err := use.do(client(t, cluster, policy)); err != nil {
			t.Errorf("%s, with the whole policy: %v", name, err)
		}
	}
	for _, capability := range capabilities(policy) {
		t.Run("without "+capability, func(t *testing.T) {
			without := regexp.MustCompile(`(?m)^.*"`+capability+`".*$`).ReplaceAllString(policy, "")
			needed := false
			for name, use := range uses {
				if !slices.Contains(use.needs, capability) {
					continue
				}
				needed = true
				if err := use.do(client(t, cluster, without)); !errors.Is(err, nomad.ErrDenied) || !strings.Contains(err.Error(), capability) {
					t.Errorf("%s: error %v, want one that names %s", name, err, capability)
				}
			}
			if !needed {
				t.Error("nothing here needs the capability")
			}
		})
	}
}

// client returns a client whose token has only these rules.
func client(t *testing.T, cluster *nomadtest.Agent, rules string) *nomad.Client {
	t.Helper()
	c, err := nomad.New(&api.Config{Address: cluster.Address, SecretID: token(t, cluster, rules)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// token creates a token that has only these rules.
func token(t *testing.T, cluster *nomadtest.Agent, rules string) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", " ", "-", ".", "-", "_", "-", "'", "-").Replace(t.Name())
	if _, err := cluster.API.ACLPolicies().Upsert(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := cluster.API.ACLTokens().Create(&api.ACLToken{Type: "client", Policies: []string{name}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token.SecretID
}

// watchOnce watches apps until the first report or error.
func watchOnce(t *testing.T, c *nomad.Client) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go c.WatchApps(ctx, func([]nomad.App) { put(result, nil) }, func(err error) { put(result, err) })
	return <-result
}

func put(to chan error, err error) {
	select {
	case to <- err:
	default:
	}
}

var capability = regexp.MustCompile(`(?m)^\s+"([a-z-]+)",`)

func capabilities(policy string) (all []string) {
	for _, match := range capability.FindAllStringSubmatch(policy, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
