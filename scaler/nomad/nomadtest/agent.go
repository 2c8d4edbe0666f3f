// Package nomadtest runs a real Nomad for tests and demonstrations.
package nomadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Agent is a Nomad agent that is both server and client. It listens on loopback and
// runs tasks with raw_exec.
type Agent struct {
	// Address is the URL of its HTTP API.
	Address string
	// Token is the management token; "" without ACLs.
	Token string
	// API is Nomad's own client for this agent.
	API *api.Client
	// Client is nomadscale's client for this agent.
	Client *nomad.Client

	rpc     string // the address of its RPC port, for other agents
	dir     string
	command []string
	cmd     *exec.Cmd
	exited  chan struct{}
	tasks   taskPorts
}

// Options configure an agent.
type Options struct {
	// ACL turns access control on and bootstraps a management token.
	ACL bool
	// Durable keeps the state on disk, for a test that restarts the agent.
	Durable bool
	// Config is additional configuration of the agent, in HCL.
	Config string
	// Dir is where the agent keeps its data and its log.
	Dir string
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// Start runs an agent until the test ends.
func Start(t testing.TB, options ...Options) *Agent {
	t.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	binary := Tool(t, "nomad")
	o.Dir = shortTempDir(t)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	a, err := Run(ctx, binary, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the agent's log:\n%s", a.Log(logTail))
		}
	})
	return a
}

// shortTempDir returns a directory that is removed when the test ends. The sockets
// below it would have too long a path in t.TempDir.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nomad") //nolint:usetesting // the path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Run starts an agent from a Nomad binary and waits until it can place tasks. The
// caller stops it.
func Run(ctx context.Context, binary string, o Options) (*Agent, error) {
	ports, err := FreePorts(agentPorts)
	if err != nil {
		return nil, err
	}
	a, err := launch(binary, o, ports, fmt.Sprintf(serverConfig, 1, 1, 10, ""), "")
	if err != nil {
		return nil, err
	}
	if o.ACL {
		if err := a.bootstrap(ctx); err != nil {
			return nil, errors.Join(err, a.Stop())
		}
	}
	if err := a.Ready(ctx); err != nil {
		return nil, errors.Join(err, fmt.Errorf("the end of the agent's log:\n%s", a.Log(logTail)), a.Stop())
	}
	return a, nil
}

// launch starts an agent. It is a server if there is a server configuration. It is a
// client of the servers at the addresses in clientOf, of itself if there are none,
// and no client if clientOf is noClient.
func launch(binary string, o Options, ports []int, server, clientOf string) (*Agent, error) {
	a := &Agent{
		Address: fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		rpc:     fmt.Sprintf("127.0.0.1:%d", ports[1]),
		dir:     o.Dir,
		command: []string{binary, "agent", "-config", filepath.Join(o.Dir, "agent.hcl")},
	}
	if !o.Durable {
		a.command = append(a.command, "-dev")
	}
	config := fmt.Sprintf(agentConfig, filepath.Join(o.Dir, "data"), ports[0], ports[1], ports[2], ports[1], ports[2], o.ACL) + server + o.Config
	if clientOf != noClient {
		a.tasks = reserveTaskPorts()
		config += fmt.Sprintf(clientConfig, clientOf, a.tasks.first+1, a.tasks.first+rangeSize-1)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "agent.hcl"), []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("writing the agent's configuration: %w", err)
	}
	if err := a.connect(); err != nil {
		return nil, err
	}
	if err := a.spawn(); err != nil {
		return nil, err
	}
	return a, nil
}

// spawn starts the agent's process.
func (a *Agent) spawn() error {
	log, err := os.OpenFile(a.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the agent's log: %w", err)
	}
	defer log.Close()
	a.cmd = exec.Command(a.command[0], a.command[1:]...)
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.Env = append(environment(), dirVariable+"="+a.dir)
	// A process group of its own keeps an interrupt from the keyboard away from the
	// agent until the jobs are stopped.
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := a.cmd.Start(); err != nil {
		return fmt.Errorf("starting Nomad: %w", err)
	}
	a.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(a.cmd, a.exited)
	return nil
}

// environment returns this process's environment without the NOMAD_* variables,
// which would point the agent to another Nomad.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "NOMAD_") {
			env = append(env, e)
		}
	}
	return env
}

func (a *Agent) connect() (err error) {
	config := &api.Config{Address: a.Address, SecretID: a.Token}
	if a.API, err = api.NewClient(config); err != nil {
		return fmt.Errorf("connecting to the agent: %w", err)
	}
	a.Client, err = nomad.New(config)
	return err
}

func (a *Agent) bootstrap(ctx context.Context) error {
	return a.Poll(ctx, "bootstrapping ACLs", func() error {
		token, _, err := a.API.ACLTokens().Bootstrap(nil)
		if err != nil {
			return err
		}
		a.Token = token.SecretID
		return a.connect()
	})
}

// Ready waits until the agent can place tasks.
func (a *Agent) Ready(ctx context.Context) error {
	return a.Poll(ctx, "waiting for a ready node", func() error {
		nodes, _, err := a.API.Nodes().List(nil)
		if err != nil {
			return err
		}
		for _, node := range nodes {
			if isReady(node) {
				return nil
			}
		}
		return errors.New("no node is ready with raw_exec")
	})
}

func isReady(node *api.NodeListStub) bool {
	return node.Status == api.NodeStatusReady && node.Drivers["raw_exec"] != nil && node.Drivers["raw_exec"].Healthy
}

// Poll calls try until it succeeds, the context ends or the agent exits. An error
// says what the caller was doing.
func (a *Agent) Poll(ctx context.Context, doing string, try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, err)
		case <-a.exited:
			return fmt.Errorf("%s: the agent has exited:\n%s", doing, a.Log(logTail))
		case <-tick.C:
		}
	}
}

// Restart starts an agent that was killed, with the data of its last run.
func (a *Agent) Restart(ctx context.Context) error {
	if err := a.spawn(); err != nil {
		return err
	}
	return a.Ready(ctx)
}

// logTail is how many bytes of a log a failed test shows.
const logTail = 4000

// Log returns the last bytes of the agent's log.
func (a *Agent) Log(bytes int) string {
	log, err := os.ReadFile(a.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-bytes):])
}

func (a *Agent) logFile() string { return filepath.Join(a.dir, "agent.log") }
