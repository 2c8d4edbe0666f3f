package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// million is how many requests BenchmarkMillion serves.
const million = 1_000_000

// BenchmarkMillion serves a million requests, none of which may be sent twice or
// fail, while instances come and go in every way that is planned and gateways are
// restarted, with and without WebSockets open.
func BenchmarkMillion(b *testing.B) {
	for _, sockets := range []int{0, 32} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) {
			for b.Loop() {
				serveMillion(b, sockets)
			}
		})
	}
}

func serveMillion(b *testing.B, sockets int) {
	cluster := nomadtest.StartCluster(b, 1, 2)
	agent := cluster.Agent
	g := onAgent(b, agent, gateway.Config{})
	nodes, _, err := agent.API.Nodes().List(nil)
	if err != nil {
		b.Fatal(err)
	}
	url := g.start(b, "million", 2, steady(), func(group *api.TaskGroup) {
		group.ShutdownDelay = new(5 * time.Second)
		group.Update = &api.UpdateStrategy{MaxParallel: new(1), HealthCheck: new("task_states"), MinHealthyTime: new(500 * time.Millisecond)}
		group.Migrate = &api.MigrateStrategy{MaxParallel: new(1), HealthCheck: new("task_states"),
			MinHealthyTime: new(500 * time.Millisecond), HealthyDeadline: new(time.Minute)}
	})
	path := strings.TrimPrefix(url, "http://"+g.Address())

	// A load balancer asks which gateway is ready.
	binary := nomadtest.Binary(b, b.TempDir())
	// WebSockets end with the drain timeout.
	startOne := func() *gatewayProcess { return startGateway(b, binary, agent, "--drain-timeout", "5s") }
	gateways := [2]*gatewayProcess{startOne(), startOne()}
	var balanced atomic.Pointer[gatewayProcess]
	balanced.Store(gateways[0])

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var served atomic.Int64
	stop := sustainBy(b, 16, func() error {
		served.Add(1)
		return post(client, "http://"+balanced.Load().address+path)
	})
	var echoed atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	for range sockets {
		open.Go(func() {
			for ctx.Err() == nil {
				socket, _, err := websocket.Dial(ctx, "ws://"+balanced.Load().address+path, nil)
				if err != nil {
					if ctx.Err() == nil {
						b.Errorf("opening a WebSocket: %v", err)
					}
					return
				}
				for pause(ctx, 100*time.Millisecond) {
					// One ends with its instance or its gateway, and is opened again.
					if socket.Write(ctx, websocket.MessageText, []byte("hello")) != nil {
						break
					}
					if _, _, err := socket.Read(ctx); err != nil {
						break
					}
					echoed.Add(1)
				}
				_ = socket.CloseNow()
			}
		})
	}

	scale := func(count int) {
		eventually(b, fmt.Sprintf("the count is %d", count), func() bool {
			_, _, err := agent.API.Jobs().Scale("million", "web", &count, "by hand", false, nil, nil)
			return err == nil
		})
		eventually(b, fmt.Sprintf("%d instances are ready", count), func() bool { return len(g.ids(b, "million")) == count })
	}
	happenings := map[string]func(){
		"growth":    func() { scale(4) },
		"shrinkage": func() { scale(2) },
		"deployment": func() {
			before := g.ids(b, "million")
			job, _, err := agent.API.Jobs().Info("million", nil)
			if err != nil {
				b.Fatal(err)
			}
			job.TaskGroups[0].Tasks[0].Env["VERSION"] = time.Now().String()
			agent.Register(b, job)
			eventually(b, "all instances are replaced", func() bool { return g.replaced(b, "million", before, len(before)) })
		},
		"node drain": func() {
			node := nodes[0].ID
			// Nomad does not notice that a drain is over when it began while the
			// node's last instances were stopping.
			eventually(b, "nothing is stopping on the node", func() bool {
				allocations, _, err := agent.API.Nodes().Allocations(node, nil)
				return err == nil && !slices.ContainsFunc(allocations, func(a *api.Allocation) bool {
					return a.DesiredStatus != api.AllocDesiredStatusRun && !a.ClientTerminalStatus()
				})
			})
			if _, err := agent.API.Nodes().UpdateDrain(node, &api.DrainSpec{Deadline: time.Hour}, false, nil); err != nil {
				b.Fatal(err)
			}
			eventually(b, "the node is drained", func() bool {
				n, _, err := agent.API.Nodes().Info(node, nil)
				return err == nil && !n.Drain
			})
			if _, err := agent.API.Nodes().ToggleEligibility(node, true, nil); err != nil {
				b.Fatal(err)
			}
		},
		"gateway restart": func() {
			ending := gateways[0]
			balanced.Store(gateways[1])
			if err := ending.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				b.Fatal(err)
			}
			_ = ending.cmd.Wait()
			gateways = [2]*gatewayProcess{gateways[1], startOne()}
		},
	}
	happened := 0
	for served.Load() < million && !b.Failed() {
		for _, name := range []string{"growth", "gateway restart", "deployment", "shrinkage", "node drain"} {
			happenings[name]()
			happened++
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(stop()), "requests")
	b.ReportMetric(float64(happened), "happenings")
	b.ReportMetric(float64(echoed.Load()), "echoes")
}
