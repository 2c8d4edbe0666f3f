package nomadplugin_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// shrinkTime is enough to scale down on a new series. The last minute must be known, so
// nothing scales down in a series' first minute.
const shrinkTime = 90 * time.Second

// The real Prometheus scrapes a user's own metric and a real gateway.
func TestPrometheus(t *testing.T) {
	cluster := nomadtest.Start(t)
	loads := startGateway(t)
	queue, fleeting := startQueue(t), startQueue(t)
	gateway, admin := cluster.StartGateway(t, nomadtest.Binary(t, t.TempDir()))
	prometheus := startPrometheus(t, queue.address, admin, fleeting.address)
	startAgent(t, cluster, loads, fmt.Sprintf(`
apm "prometheus" {
  driver = "prometheus"
  config = {
    address = %q
  }
}
`, "http://"+prometheus))

	// custom returns a policy on the length of a queue, with ten for each instance.
	custom := func(t *testing.T, job string) (scaler.Policy, jobspec.Block) {
		t.Helper()
		p := nomadtest.Policy(t, job, scaler.Document{
			"metric": "custom", "target_per_instance": "10", "max_instances": "6",
			"scale_up_step": "0", "scale_down_step": "0", "scale_up_cooldown": "0s", "scale_down_cooldown": "0s",
		})
		block := jobspec.NewBlock(p)
		block.EvaluationInterval = fast
		block.Source, block.Query = "prometheus", fmt.Sprintf("queue_length{app=%q}", job)
		return p, block
	}

	t.Run("custom metric", func(t *testing.T) {
		t.Parallel()
		p, block := custom(t, "worker")
		queue.set("worker", 45)
		cluster.Register(t, nomadtest.JobWithBlock(block))
		nomadtest.Eventually(t, soon, "five instances for 45 in the queue", func() bool { return cluster.Status(t, p).Desired == 5 })
		queue.set("worker", 5)
		nomadtest.Eventually(t, shrinkTime, "one instance for 5 in the queue", func() bool { return cluster.Status(t, p).Desired == 1 })
	})

	t.Run("a series that is empty holds the count", func(t *testing.T) {
		t.Parallel()
		p, block := custom(t, "nothing")
		block.Query = "no_such_metric"
		job := nomadtest.JobWithBlock(block)
		*job.TaskGroups[0].Count = 3
		cluster.Register(t, job)
		other, otherBlock := custom(t, "other")
		queue.set("other", 25)
		cluster.Register(t, nomadtest.JobWithBlock(otherBlock))
		nomadtest.Eventually(t, soon, "another app growing", func() bool { return cluster.Status(t, other).Desired == 3 })
		if got := cluster.Status(t, p).Desired; got != 3 {
			t.Errorf("%d instances are desired without any data, want 3", got)
		}
	})

	t.Run("a series that is gone with the work, or with its exporter", func(t *testing.T) {
		t.Parallel()
		policies := make(map[string]scaler.Policy)
		for name, remedy := range map[string]string{
			"bare":    "",
			"vector":  " or vector(0)",
			"guarded": ` or (0 * sum(up{job="target2"} == 1))`,
		} {
			p, block := custom(t, name)
			block.Query = fmt.Sprintf("sum(queue_length{app=%q})", name) + remedy
			cluster.Register(t, nomadtest.JobWithBlock(block))
			policies[name] = p
			fleeting.set(name, 25)
		}
		reaches := func(name string, count int) {
			t.Helper()
			nomadtest.Eventually(t, shrinkTime, fmt.Sprintf("%s at %d", name, count), func() bool { return cluster.Status(t, policies[name]).Desired == count })
		}
		for name := range policies {
			reaches(name, 3)
		}
		fleeting.remove("bare", "vector", "guarded")
		reaches("vector", 1)
		reaches("guarded", 1)

		fleeting.set("vector", 25)
		fleeting.set("guarded", 25)
		reaches("vector", 3)
		reaches("guarded", 3)
		if err := fleeting.server.Close(); err != nil {
			t.Fatal(err)
		}
		reaches("vector", 1)
		gone := time.Now()
		nomadtest.Eventually(t, shrinkTime, "samples that are too old to use", func() bool { return time.Since(gone) > scaler.MaxGap+10*time.Second })
		for name := range policies {
			want := map[string]int{"bare": 3, "vector": 1, "guarded": 3}[name]
			if got := cluster.Status(t, policies[name]).Desired; got != want {
				t.Errorf("%s is at %d without its exporter, want %d", name, got, want)
			}
		}
	})

	t.Run("a window of more than three hours is refused", func(t *testing.T) {
		for window, refused := range map[time.Duration]bool{3 * time.Hour: false, 4 * time.Hour: true} {
			now := time.Now()
			// The agent asks for one value a second.
			err := nomadtest.Get(t.Context(), fmt.Sprintf("http://%s/api/v1/query_range?query=up&step=1&start=%d&end=%d", prometheus, now.Add(-window).Unix(), now.Unix()), nil)
			if (err != nil) != refused {
				t.Errorf("a window of %s is answered with error %v, want one: %t", window, err, refused)
			}
		}
	})

	t.Run("the gateway's own metrics", func(t *testing.T) {
		t.Parallel()
		p := declare(t, cluster, "scraped", scaler.Document{
			"min_instances": "1", "max_instances": "3", "scale_up_step": "0", "scale_up_cooldown": "0s", "target_requests_per_instance": "10",
		}, func(b *jobspec.Block) {
			b.Source, b.Query = "prometheus", fmt.Sprintf("sum(nomadscale_load{app=%q})", b.Policy.App.String())
		})
		nomadtest.Eventually(t, soon, "the app in Prometheus, growing", func() bool {
			// The app does not listen, so its requests wait. They count as load.
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+gateway+"/apps/"+p.App.String()+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := http.DefaultClient.Do(request); err == nil {
				response.Body.Close()
			}
			return cluster.Status(t, p).Desired == 3
		})
	})

	t.Run("two checks go up if any asks and down only if all agree", func(t *testing.T) {
		t.Parallel()
		p := nomadtest.Policy(t, "both", scaler.Document{
			"max_instances": "5", "scale_up_step": "0", "scale_down_step": "0", "scale_up_cooldown": "0s", "scale_down_cooldown": "0s",
		})
		block := jobspec.NewBlock(p)
		block.EvaluationInterval = fast
		job := nomadtest.JobWithBlock(block)
		_, queued := custom(t, "both")
		queued.Policy.MaxInstances = 5
		check := queued.Render().Policy["check"].([]any)[0].(map[string]any)["load"]
		scaling := job.TaskGroups[0].Scaling.Policy
		scaling["check"] = append(scaling["check"].([]any), map[string]any{"queue": check})
		queue.set("both", 20)
		loads.load(p, 500)
		cluster.Register(t, job)
		nomadtest.Eventually(t, soon, "the maximum, which only one check needs", func() bool { return cluster.Status(t, p).Desired == 5 })
		loads.load(p, 0)
		nomadtest.Eventually(t, shrinkTime, "a queue that is known for a minute", func() bool { return queue.age("both") > 70*time.Second })
		if got := cluster.Status(t, p).Desired; got != 5 {
			t.Errorf("%d instances are desired when only one check agrees, want 5", got)
		}
		queue.set("both", 0)
		nomadtest.Eventually(t, soon, "one instance, to which both checks agree", func() bool { return cluster.Status(t, p).Desired == 1 })
	})
}

// queueServer exposes the lengths of queues like a user's own exporter.
type queueServer struct {
	address string
	server  *http.Server
	mutex   sync.Mutex
	lengths map[string]int
	since   map[string]time.Time
}

func startQueue(t *testing.T) *queueServer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := &queueServer{address: listener.Addr().String(), lengths: make(map[string]int), since: make(map[string]time.Time)}
	q.server = &http.Server{Handler: q, ReadHeaderTimeout: time.Second}
	go func() {
		if err := q.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { _ = q.server.Close() })
	return q
}

func (q *queueServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for app, length := range q.lengths {
		fmt.Fprintf(w, "queue_length{app=%q} %d\n", app, length)
	}
}

func (q *queueServer) set(app string, length int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if _, ok := q.lengths[app]; !ok {
		q.since[app] = time.Now()
	}
	q.lengths[app] = length
}

func (q *queueServer) remove(apps ...string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, app := range apps {
		delete(q.lengths, app)
	}
}

// age returns how long ago an app's queue got its first length.
func (q *queueServer) age(app string) time.Duration {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return time.Since(q.since[app])
}

// startPrometheus runs the real Prometheus, which scrapes the targets once a second.
func startPrometheus(t *testing.T, targets ...string) (address string) {
	t.Helper()
	config := "global:\n  scrape_interval: 1s\nscrape_configs:\n"
	for i, target := range targets {
		config += fmt.Sprintf("- job_name: target%d\n  fallback_scrape_protocol: PrometheusText0.0.4\n  static_configs:\n  - targets: [%q]\n", i, target)
	}
	return nomadtest.StartPrometheus(t, config)
}
