package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// steady is a policy under which no load of these tests scales anything.
func steady() scaler.Document {
	return scaler.Document{"target_requests_per_instance": "1000000", "scale_down_threshold": "0.000000001"}
}

// drainable gives what is in flight all the time that it takes.
func drainable(group *nomadapi.TaskGroup) { group.ShutdownDelay = new(10 * time.Minute) }

// post sends a request that must not be sent again.
func post(client *http.Client, url string) error {
	response, err := client.Post(url, "text/plain", strings.NewReader("hello"))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}

// sustainPosts is sustain for requests that must not be sent again.
func sustainPosts(t *testing.T, url string) (stop func() int64) {
	t.Helper()
	return sustainBy(t, 8, func() error { return post(http.DefaultClient, url+"?take=10ms") })
}

// ids are the instances that are ready.
func (g realGateway) ids(t testing.TB, job string) (ready map[string]bool) {
	t.Helper()
	ready = make(map[string]bool)
	for _, i := range g.status(t, job).Instances {
		if i.State == api.Ready {
			ready[i.ID] = true
		}
	}
	return ready
}

// replaced reports whether that many instances are ready, and none of those before.
func (g realGateway) replaced(t testing.TB, job string, before map[string]bool, count int) bool {
	t.Helper()
	now := g.ids(t, job)
	for id := range now {
		if before[id] {
			return false
		}
	}
	return len(now) == count
}

// No request fails that can be answered, whatever makes instances come and go.
func TestInstancesComeAndGo(t *testing.T) {
	g := onNomad(t)

	t.Run("what is in flight at a stopping instance ends undisturbed", func(t *testing.T) {
		document := steady()
		document["service_selection_mode"] = "last"
		url := g.start(t, "stopping", 2, document, drainable)
		socket, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.CloseNow() }()
		echoes := func() {
			t.Helper()
			if err := socket.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, got, err := socket.Read(t.Context()); err != nil || string(got) != "hello" {
				t.Fatalf("the WebSocket got %q (%v)", got, err)
			}
		}
		echoes()
		poll := make(chan error, 1)
		go func() { poll <- post(http.DefaultClient, url+"?take=1s") }()
		last := func() api.InstanceStatus { return g.status(t, "stopping").Instances[1] }
		eventually(t, "both are at the last instance", func() bool { return last().InFlight == 2 })

		began := time.Now()
		if _, _, err := g.agent.API.Jobs().Scale("stopping", "web", new(1), "by hand", false, nil, nil); err != nil {
			t.Fatal(err)
		}
		answered := time.Now()
		eventually(t, "the last instance is draining", func() bool { return last().State == api.Draining })
		t.Logf("it drains %s after Nomad was asked, and %s after Nomad had answered", time.Since(began), time.Since(answered))
		for range 20 {
			if err := fetch(url); err != nil {
				t.Error(err)
			}
			if got := last().InFlight; got > 2 {
				t.Fatalf("%d requests are at the stopping instance", got)
			}
		}
		if err := <-poll; err != nil {
			t.Errorf("the long request: %v", err)
		}
		echoes()
		if err := socket.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		eventually(t, "the instance has ended early", func() bool { return len(g.status(t, "stopping").Instances) == 1 })
	})

	t.Run("no request fails in a rolling deployment with canaries", func(t *testing.T) {
		url := g.start(t, "rolling", 2, steady(), drainable, func(group *nomadapi.TaskGroup) {
			group.Update = &nomadapi.UpdateStrategy{
				MaxParallel: new(1), Canary: new(1), AutoPromote: new(true),
				HealthCheck: new("task_states"), MinHealthyTime: new(500 * time.Millisecond),
			}
		})
		before := g.ids(t, "rolling")
		job, _, err := g.agent.API.Jobs().Info("rolling", nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := sustainPosts(t, url)
		job.TaskGroups[0].Tasks[0].Env["VERSION"] = "2"
		g.agent.Register(t, job)
		eventually(t, "both instances are replaced", func() bool { return g.replaced(t, "rolling", before, 2) })
		eventually(t, "the deployment succeeds", func() bool {
			d, _, err := g.agent.API.Jobs().LatestDeployment("rolling", nil)
			return err == nil && d != nil && d.JobVersion == *job.Version+1 && d.Status == nomadapi.DeploymentStatusSuccessful
		})
		t.Logf("%d requests were served", stop())
	})

	t.Run("an allocation that fails costs only the request that it fails with", func(t *testing.T) {
		url := g.start(t, "failing", 2, steady(), func(group *nomadapi.TaskGroup) {
			group.RestartPolicy = &nomadapi.RestartPolicy{Attempts: new(0), Interval: new(time.Minute), Delay: new(time.Second), Mode: new("fail")}
			group.ReschedulePolicy = &nomadapi.ReschedulePolicy{Unlimited: new(true), Delay: new(5 * time.Second), DelayFunction: new("constant")}
		})
		before := g.ids(t, "failing")
		stop := sustain(t, 8, url+"?take=10ms")
		if err := post(http.DefaultClient, url+"?crash"); err == nil || !strings.Contains(err.Error(), string(api.CauseBadAnswer)) {
			t.Errorf("the request that crashes an instance: %v, want that it broke off", err)
		}
		eventually(t, "the failed instance is out", func() bool { return len(g.ids(t, "failing")) == 1 })
		eventually(t, "the failed instance is replaced", func() bool {
			now := g.ids(t, "failing")
			fresh := 0
			for id := range now {
				if !before[id] {
					fresh++
				}
			}
			return len(now) == 2 && fresh == 1
		})
		t.Logf("%d requests were served", stop())
	})

	t.Run("a gateway that is stopped loses nothing", func(t *testing.T) {
		url := g.start(t, "served", 1, steady())
		path := strings.TrimPrefix(url, "http://"+g.Address())
		binary := nomadtest.Binary(t, t.TempDir())
		ending, staying := startGateway(t, binary, g.agent), startGateway(t, binary, g.agent)
		// A load balancer asks which of them is ready.
		var ready atomic.Pointer[gatewayProcess]
		ready.Store(ending)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				if ending.ready() != nil {
					ready.Store(staying)
					return
				}
			}
		}()
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
		defer client.CloseIdleConnections()
		stop := sustainBy(t, 8, func() error { return post(client, "http://"+ready.Load().address+path+"?take=10ms") })
		long := make(chan error, 1)
		go func() { long <- post(client, "http://"+ending.address+path+"?take=3s") }()
		if err := ending.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "requests go to the other gateway", func() bool { return ready.Load() == staying })
		if err := ending.cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
		if err := <-long; err != nil {
			t.Errorf("a request that was under way: %v", err)
		}
		t.Logf("%d requests were served", stop())
	})
}

// gatewayProcess is a gateway of the project's own binary.
type gatewayProcess struct {
	cmd            *exec.Cmd
	address, admin string
}

func startGateway(t testing.TB, binary string, agent *nomadtest.Agent, flags ...string) *gatewayProcess {
	t.Helper()
	p := &gatewayProcess{
		address: fmt.Sprintf("127.0.0.1:%d", nomadtest.FreePort(t)),
		admin:   fmt.Sprintf("127.0.0.1:%d", nomadtest.FreePort(t)),
	}
	flags = append([]string{"gateway", "--listen", p.address, "--admin-listen", p.admin, "--shutdown-delay", "1s"}, flags...)
	p.cmd = exec.Command(binary, flags...)
	p.cmd.Env = append(os.Environ(), "NOMAD_ADDR="+agent.Address)
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	eventually(t, "the gateway is ready", func() bool { return p.ready() == nil })
	return p
}

// ready asks the gateway whether it takes requests.
func (p *gatewayProcess) ready() error { return fetch("http://" + p.admin + "/readyz") }

// Nodes that are drained and nodes that are lost take no request with them.
func TestNodesComeAndGo(t *testing.T) {
	cluster := nomadtest.StartCluster(t, 1, 2)
	agent := cluster.Agent
	g := onAgent(t, agent, gateway.Config{EndDelays: true})
	nodes, _, err := agent.API.Nodes().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	node := make(map[string]string)
	for _, n := range nodes {
		node[n.Name] = n.ID
	}
	// on prefers one of the nodes, so that another is taken when it is gone.
	on := func(name string) func(*nomadapi.TaskGroup) {
		return func(group *nomadapi.TaskGroup) {
			group.Affinities = []*nomadapi.Affinity{{LTarget: "${node.unique.name}", RTarget: name, Operand: "=", Weight: new(int8(100))}}
			group.Migrate = &nomadapi.MigrateStrategy{MaxParallel: new(1), HealthCheck: new("task_states"),
				MinHealthyTime: new(500 * time.Millisecond), HealthyDeadline: new(time.Minute)}
		}
	}

	t.Run("no request fails when a node is drained", func(t *testing.T) {
		url := g.start(t, "drained", 2, steady(), drainable, on("client-0"))
		before := g.ids(t, "drained")
		stop := sustainPosts(t, url)
		if _, err := agent.API.Nodes().UpdateDrain(node["client-0"], &nomadapi.DrainSpec{Deadline: time.Hour}, false, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both instances are elsewhere", func() bool {
			return g.replaced(t, "drained", before, 2) && len(g.status(t, "drained").Instances) == 2
		})
		t.Logf("%d requests were served", stop())
		if _, err := agent.API.Nodes().UpdateDrain(node["client-0"], nil, true, nil); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("no request fails when a node is lost", func(t *testing.T) {
		url := g.start(t, "lost", 2, steady(), on("client-1"))
		before := g.ids(t, "lost")
		stop := sustainPosts(t, url)
		long := make(chan error, 1)
		go func() { long <- post(http.DefaultClient, url+"?take=15s") }()
		cluster.Clients[1].Kill()
		eventually(t, "both instances are replaced", func() bool { return g.replaced(t, "lost", before, 2) })
		t.Logf("%d requests were served", stop())
		if err := <-long; err != nil {
			t.Errorf("a request at an instance that runs on: %v", err)
		}
	})
}
