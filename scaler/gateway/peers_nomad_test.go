package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const peerToken = "between gateways"

// gatewayTask is a gateway that Nomad runs.
type gatewayTask struct{ allocation, url, admin string }

// runGateways runs gateways as a Nomad job, and waits until they know each other.
func runGateways(t *testing.T, agent *nomadtest.Agent, n int) []gatewayTask {
	t.Helper()
	job := nomadtest.Job(policy(t, "default/gateway/gateway", nil), nomadtest.Binary(t, t.TempDir()),
		"gateway", "--listen", "${NOMAD_ADDR_http}", "--admin-listen", "${NOMAD_ADDR_admin}")
	group := job.TaskGroups[0]
	group.Count, group.Scaling = &n, nil
	group.Networks[0].DynamicPorts = append(group.Networks[0].DynamicPorts, nomadapi.Port{Label: "admin"})
	group.Services = []*nomadapi.Service{{Name: api.AdminService, Provider: "nomad", PortLabel: "admin"}}
	group.RestartPolicy = &nomadapi.RestartPolicy{Attempts: new(0), Mode: new(nomadapi.RestartPolicyModeFail)}
	group.ReschedulePolicy = &nomadapi.ReschedulePolicy{Attempts: new(0), Unlimited: new(false)}
	group.Tasks[0].Env = map[string]string{"NOMAD_ADDR": agent.Address, "NOMADSCALE_ADMIN_TOKEN": peerToken}
	group.Tasks[0].Resources.MemoryMB = new(256)
	agent.Register(t, job)

	var tasks []gatewayTask
	eventually(t, "the gateways are placed", func() bool {
		tasks = nil
		stubs, _, err := agent.API.Jobs().Allocations("gateway", true, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, stub := range stubs {
			allocation, _, err := agent.API.Allocations().Info(stub.ID, nil)
			if err != nil || allocation.ClientStatus != nomadapi.AllocClientStatusRunning {
				return false
			}
			task := gatewayTask{allocation: stub.ID}
			for _, port := range allocation.AllocatedResources.Shared.Ports {
				address := fmt.Sprintf("http://%s:%d", port.HostIP, port.Value)
				if port.Label == "http" {
					task.url = address
				} else {
					task.admin = address
				}
			}
			tasks = append(tasks, task)
		}
		return len(tasks) == n
	})
	for _, task := range tasks {
		eventually(t, "the gateway knows the others", func() bool {
			var others []api.PeerStatus
			task.read("/v1/peers", &others)
			answering := 0
			for _, other := range others {
				if other.State == api.PeerAnswers {
					answering++
				}
			}
			return answering == n-1
		})
	}
	return tasks
}

// read reads what the admin listener says, if it answers.
func (g gatewayTask) read(path string, into any) {
	r, err := http.NewRequest(http.MethodGet, g.admin+path, nil)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+peerToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer response.Body.Close()
	_ = json.NewDecoder(response.Body).Decode(into)
}

// app is what the gateway shows of an app.
func (g gatewayTask) app(name string) api.AppStatus {
	var all []api.AppStatus
	g.read("/v1/apps", &all)
	for _, a := range all {
		if a.App == id(name) {
			return a
		}
	}
	return api.AppStatus{}
}

// kill is kill -9.
func (g gatewayTask) kill(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(environ, []byte("NOMAD_ALLOC_ID="+g.allocation+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the gateway has no process")
}

// clients send requests to one gateway until they are stopped, or until one
// fails: each stops then.
type clients struct {
	group  sync.WaitGroup
	ending atomic.Bool

	mu     sync.Mutex
	served []time.Time
	failed []error
	// most is the highest number of requests that the app had at once.
	most int
}

// start sends requests, so many at a time. Refusals of the rate limit are no
// failures.
func (c *clients) start(t *testing.T, url string, n int) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	client := &http.Client{Transport: transport}
	one := func() (int, error) {
		response, err := client.Get(url)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return 0, err
		}
		most, _ := strconv.Atoi(response.Header.Get(atOnce))
		c.mu.Lock()
		defer c.mu.Unlock()
		switch response.StatusCode {
		case http.StatusOK:
			c.served = append(c.served, time.Now())
			c.most = max(c.most, most)
		case http.StatusTooManyRequests:
		default:
			return 0, errors.New(response.Status)
		}
		return response.StatusCode, nil
	}
	for range n {
		c.group.Go(func() {
			for !c.ending.Load() {
				status, err := one()
				if err != nil {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.failed = append(c.failed, err)
					return
				}
				if status == http.StatusTooManyRequests {
					pause(t.Context(), 5*time.Millisecond)
				}
			}
		})
	}
	t.Cleanup(func() { c.stop(); transport.CloseIdleConnections() })
}

func (c *clients) stop() {
	c.ending.Store(true)
	c.group.Wait()
}

// between counts the requests that were served between two moments.
func (c *clients) between(from, to time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.served {
		if at.After(from) && at.Before(to) {
			n++
		}
	}
	return n
}

func (c *clients) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.failed)
}

func TestGatewaysOnNomad(t *testing.T) {
	agent := nomadtest.Start(t)
	nomad := realGateway{agent: agent}
	gateways := runGateways(t, agent, 3)
	ready := func(app string, count int) {
		t.Helper()
		for _, g := range gateways {
			eventually(t, "the instances of "+app+" are ready at every gateway", func() bool {
				s := g.app(app)
				return s.App.Job != "" && s.Running == count
			})
		}
	}

	t.Run("five hundred first requests at three gateways make one call", func(t *testing.T) {
		app := nomad.register(t, "herd", 0, scaler.Document{
			"min_instances": "0", "max_instances": "3", "metric": "concurrency", "target_concurrency_per_instance": "2",
		})
		ready(app, 0)
		var urls []string
		for _, g := range gateways {
			urls = append(urls, g.url)
		}
		if err := herd(500, urls, "/apps/"+app+"/?take=20ms"); err != nil {
			t.Fatal(err)
		}
		nomad.wantScaled(t, "herd", 3)
	})

	t.Run("one of several is killed under load", func(t *testing.T) {
		const limit, rate = 4, 50
		capped := nomad.register(t, "capped", 2, scaler.Document{
			"max_instances": "2", "metric": "concurrency", "target_concurrency_per_instance": "4",
			"max_concurrency_per_instance": strconv.Itoa(limit), "service_selection_mode": "min_load",
		})
		limited := nomad.register(t, "limited", 1, scaler.Document{"max_instances": "1", "rate_limit": strconv.Itoa(rate),
			"rate_limit_burst": "10"})
		ready(capped, 2)
		ready(limited, 1)
		type load struct{ capped, limited *clients }
		var at []load
		for _, g := range gateways[:2] {
			l := load{new(clients), new(clients)}
			l.capped.start(t, g.url+"/apps/"+capped+"/?take=50ms", 12)
			l.limited.start(t, g.url+"/apps/"+limited+"/", 4)
			at = append(at, l)
		}
		killed, kept := at[0], at[1]

		within := func(when string, n int, over time.Duration) {
			t.Helper()
			want := rate * over.Seconds()
			t.Logf("%s: %d were let in within %s, with a limit of %g", when, n, over, want)
			if got := float64(n); got < .9*want || got > 1.1*want {
				t.Errorf("%s: %d were let in within %s, want %g", when, n, over, want)
			}
		}
		// The burst and the first seconds, in which the gateways learn where the
		// requests come, are over.
		begin := time.Now()
		until := func(moment time.Time) {
			eventually(t, "the time is over", func() bool { return !time.Now().Before(moment) })
		}
		until(begin.Add(8 * time.Second))
		moment := time.Now()
		within("with all gateways", killed.limited.between(begin.Add(4*time.Second), moment)+kept.limited.between(begin.Add(4*time.Second),
			moment), moment.Sub(begin.Add(4*time.Second)))
		if n, m := killed.capped.between(begin, moment), kept.capped.between(begin, moment); n < m/3 || m < n/3 {
			t.Errorf("of the capped app's requests one gateway served %d and the other %d, want about the same", n, m)
		}

		if n := killed.capped.failures() + killed.limited.failures(); n > 0 {
			t.Errorf("%d requests failed before anything happened", n)
		}

		gateways[0].kill(t)
		killedAt := time.Now()
		eventually(t, "the gateway that is left has the whole cap", func() bool { return gateways[1].app(capped).InFlight == 2*limit })
		took := time.Since(killedAt)
		t.Logf("the gateway that is left had the whole cap after %s", took.Round(time.Millisecond))
		if took > 2*time.Second {
			t.Errorf("the gateway that is left had the whole cap after %s, want within 2s", took)
		}
		from := killedAt.Add(2 * time.Second)
		until(from.Add(4 * time.Second))
		within("after two seconds with one less", kept.limited.between(from, from.Add(4*time.Second)), 4*time.Second)

		for _, c := range []*clients{killed.capped, killed.limited, kept.capped, kept.limited} {
			c.stop()
		}
		for name, c := range map[string]*clients{"capped": kept.capped, "limited": kept.limited} {
			if len(c.failed) > 0 {
				t.Errorf("%d requests of the %s app failed at the gateway that was not killed: %v", len(c.failed), name, c.failed[0])
			}
		}
		t.Logf("%d and %d requests were served of the capped app; %d and %d failed at the gateway that was killed",
			len(killed.capped.served), len(kept.capped.served), len(killed.capped.failed), len(killed.limited.failed))
		// Every client of the one that was killed had one request there at most.
		for _, c := range []*clients{killed.capped, killed.limited} {
			if last := c.served[len(c.served)-1]; last.After(killedAt.Add(time.Second)) {
				t.Errorf("the gateway that was killed served a request %s later", last.Sub(killedAt))
			}
		}
		if most := max(killed.capped.most, kept.capped.most); most != limit {
			t.Errorf("an instance had %d requests at once, want %d at the most", most, limit)
		}
	})
}
