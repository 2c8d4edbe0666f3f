package nomadplugin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const (
	thousand = 1000
	interval = 10 * time.Second
	// measureTime is how long a run is measured. The agent's telemetry covers a minute.
	measureTime = time.Minute
)

// A thousand idle apps at zero on one Nomad and one agent, each evaluated every ten
// seconds. The benchmark compares the agent's own strategy and target, our strategy with
// the agent's target, and our strategy and target. All use our APM.
func BenchmarkThousandApps(b *testing.B) {
	plugins := b.TempDir()
	nomadtest.Binary(b, plugins)
	peer := make(map[string]float64)
	for _, v := range []struct{ name, strategy, target string }{
		{"threshold", "threshold", "nomad-target"},
		{"nomadscale on nomad-target", jobspec.Driver, "nomad-target"},
		{"nomadscale", jobspec.Driver, jobspec.Driver},
	} {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				for _, m := range thousandApps(b, plugins, v.strategy, v.target) {
					b.ReportMetric(m.value, m.unit)
					if v.strategy == "threshold" {
						peer[m.unit] = m.value
					} else if m.compared {
						reportRatio(b, m.unit+"_x_of_threshold", m.value, peer[m.unit])
					}
				}
			}
		})
	}
}

// metric is one figure of a run.
type metric struct {
	unit     string
	value    float64
	compared bool
}

func thousandApps(b *testing.B, plugins, strategy, target string) []metric {
	// The agent's own target keeps a connection open for each job.
	cluster := nomadtest.Start(b, nomadtest.Options{Config: "limits { http_max_conns_per_client = 0 }\n"})
	gateway, proxy := startGateway(b), startCountingProxy(b, cluster.Address)
	for i := range thousand {
		p := nomadtest.Policy(b, fmt.Sprintf("app-%d", i), scaler.Document{"min_instances": "0"})
		cluster.Register(b, scaledBy(p, strategy, target))
		gateway.load(p, 0)
	}
	a := startQuietAgent(b, plugins, proxy.URL, gateway, strategy, target)
	nomadtest.Eventually(b, 2*time.Minute, "an evaluation of every app", func() bool {
		return len(evaluated(a.output(b))) == thousand
	})

	from := time.Now()
	agentBefore, nomadBefore, requests := a.usage(b), nomadUsage(b), proxy.requests.Load()
	<-time.After(measureTime)
	agentAfter, nomadAfter := a.usage(b), nomadUsage(b)
	requests = proxy.requests.Load() - requests

	output := a.output(b)
	failed := strings.Count(output, "[ERROR]") + strings.Count(output, "holding the count")
	count, late := 0, []time.Duration(nil)
	for _, times := range evaluated(output) {
		for i, at := range times {
			if at.Before(from) || at.After(from.Add(measureTime)) {
				continue
			}
			count++
			if i > 0 {
				late = append(late, max(0, at.Sub(times[i-1])-interval))
			}
		}
	}
	took := a.evaluationTimes(b)
	if count == 0 || len(took) == 0 {
		b.Fatal("nothing was evaluated")
	}
	cpu := agentAfter.cpu - agentBefore.cpu
	return []metric{
		{"evaluations", float64(count), false},
		{"failures", float64(failed), false},
		{"lag_p50_ms", milliseconds(quantile(late, 0.5)), false},
		{"lag_p99_ms", milliseconds(quantile(late, 0.99)), true},
		{"took_p50_ms", milliseconds(quantile(took, 0.5)), true},
		{"took_p99_ms", milliseconds(quantile(took, 0.99)), true},
		{"agent_cpu_s", cpu.Seconds(), true},
		{"agent_cpu_ms/evaluation", milliseconds(cpu) / float64(count), false},
		{"nomad_cpu_s", (nomadAfter.cpu - nomadBefore.cpu).Seconds(), true},
		{"requests/s", float64(requests) / measureTime.Seconds(), true},
		{"blocking", float64(proxy.blocking.Load()), true},
		{"agent_MB", agentAfter.memory / 1e6, true},
		{"nomad_MB", nomadAfter.memory / 1e6, true},
	}
}

// scaledBy returns a policy's job that a strategy and a target scale.
func scaledBy(p scaler.Policy, strategy, target string) *api.Job {
	block := jobspec.NewBlock(p)
	block.EvaluationInterval, block.Target = interval, target
	job := nomadtest.JobWithBlock(block)
	if strategy != jobspec.Driver {
		check := job.TaskGroups[0].Scaling.Policy["check"].([]any)[0].(map[string]any)["load"].([]any)[0].(map[string]any)
		check["strategy"] = []any{map[string]any{strategy: []any{thresholdCheck().Strategy.Config}}}
	}
	return job
}

// quietAgent is an agent with the default log level.
type quietAgent struct {
	*agent
	address string
}

// startQuietAgent runs an agent with our APM, and with our strategy and target if the
// test uses them.
func startQuietAgent(b *testing.B, plugins, address string, gateway *loadServer, strategy, target string) *quietAgent {
	dir := b.TempDir()
	port := nomadtest.FreePort(b)
	config := fmt.Sprintf(`
plugin_dir = %q
http {
  bind_address = "127.0.0.1"
  bind_port    = %d
}
nomad {
  address = %q
}
apm "nomadscale" {
  driver = "nomadscale"
  args   = ["apm"]
  config = {
    gateways = %q
  }
}
`, plugins, port, address, "http://"+gateway.address)
	for kind, name := range map[string]string{"strategy": strategy, "target": target} {
		if name == jobspec.Driver {
			config += fmt.Sprintf("%s %q {\n  driver = %q\n  args = [%q]\n}\n", kind, name, name, kind)
		}
	}
	a := &quietAgent{
		agent: &agent{
			binary: nomadtest.Tool(b, "nomad-autoscaler"),
			config: filepath.Join(dir, "agent.hcl"),
			log:    filepath.Join(dir, "agent.log"),
		},
		address: fmt.Sprintf("http://127.0.0.1:%d", port),
	}
	if err := os.WriteFile(a.config, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	a.start(b)
	b.Cleanup(func() {
		_ = a.signal(os.Interrupt)
		a.wait()
	})
	return a
}

// evaluation matches the line that the agent logs at each evaluation.
var evaluation = regexp.MustCompile(`(?m)^(\S+) \[INFO\] .*calculating scaling target: policy_id=(\S+)`)

// evaluated returns the times of evaluation by policy.
func evaluated(log string) map[string][]time.Time {
	times := make(map[string][]time.Time)
	for _, line := range evaluation.FindAllStringSubmatch(log, -1) {
		if at, err := time.Parse("2006-01-02T15:04:05.000Z0700", line[1]); err == nil {
			times[line[2]] = append(times[line[2]], at)
		}
	}
	return times
}

// evaluationTimes returns how long each policy's evaluation took, from the tick to the
// decision, in the last ten seconds that the agent has aggregated.
func (a *quietAgent) evaluationTimes(b *testing.B) []time.Duration {
	response, err := http.Get(a.address + "/v1/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	var telemetry struct {
		Samples []struct {
			Name   string
			Mean   float64
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&telemetry); err != nil {
		b.Fatal(err)
	}
	byPolicy := make(map[string]time.Duration)
	for _, s := range telemetry.Samples {
		if strings.HasSuffix(s.Name, "plugin.target.status.invoke_ms") || strings.HasSuffix(s.Name, "scale.evaluate_ms") {
			byPolicy[s.Labels["policy_id"]] += time.Duration(s.Mean * float64(time.Millisecond))
		}
	}
	return slices.Collect(maps.Values(byPolicy))
}

// countingProxy forwards to Nomad and counts requests.
type countingProxy struct {
	*httptest.Server

	requests atomic.Int64
	// blocking is the number of open blocking queries for a job's count.
	blocking atomic.Int64
}

func startCountingProxy(b *testing.B, address string) *countingProxy {
	to, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	c, proxy := &countingProxy{}, httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: thousand}
	// When the agent ends, its requests are cancelled.
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		if r.FormValue("index") != "" && strings.HasSuffix(r.URL.Path, "/scale") {
			c.blocking.Add(1)
			defer c.blocking.Add(-1)
		}
		proxy.ServeHTTP(w, r)
	}))
	b.Cleanup(func() {
		c.CloseClientConnections()
		c.Close()
	})
	return c
}

// usage is the CPU time that processes have used and the memory that they hold.
type usage struct {
	cpu    time.Duration
	memory float64
}

// usage returns the usage of the agent and its plugins.
func (a *quietAgent) usage(b *testing.B) usage {
	pid := a.pid()
	return usageOf(b, func(p process) bool { return p.id == pid || p.parent == pid })
}

// nomadUsage returns the usage of the Nomad that this process started.
func nomadUsage(b *testing.B) usage {
	return usageOf(b, func(p process) bool { return p.parent == os.Getpid() && p.name == "nomad" })
}

// process is an entry of /proc.
type process struct {
	id, parent int
	name       string
	usage
}

func usageOf(b *testing.B, counts func(process) bool) (sum usage) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		// A process that has ended meanwhile does not count.
		if stat, err := os.ReadFile(file); err == nil {
			if p := parseStat(b, string(stat)); counts(p) {
				sum.cpu += p.cpu
				sum.memory += p.memory
			}
		}
	}
	if sum.memory == 0 {
		b.Fatal("there is no such process")
	}
	return sum
}

// parseStat reads proc_pid_stat(5), which has numbers and a name in parentheses.
func parseStat(b *testing.B, stat string) process {
	const tick = time.Second / 100
	id, rest, _ := strings.Cut(stat, " (")
	name, rest, _ := strings.Cut(rest, ") ")
	fields := strings.Fields(rest)
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatalf("reading %q: %v", stat, err)
		}
		return n
	}
	return process{
		id: number(id), name: name, parent: number(fields[1]),
		usage: usage{
			cpu:    time.Duration(number(fields[11])+number(fields[12])) * tick,
			memory: float64(number(fields[21]) * os.Getpagesize()),
		},
	}
}

// quantile returns the value that a fraction of the values do not exceed.
func quantile(values []time.Duration, fraction float64) time.Duration {
	values = slices.Sorted(slices.Values(values))
	return values[int(fraction*float64(len(values)-1))]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
