package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// appVariable makes the test binary an app.
const appVariable = "GATEWAY_TEST_APP"

func TestMain(m *testing.M) {
	if os.Getenv(appVariable) != "" {
		runApp()
	}
	if role := os.Getenv(roleVariable); role != "" {
		runRole(role, os.Args[1:])
	}
	os.Exit(m.Run())
}

// The headers in which the app says how many requests it has, and since when it
// listens.
const (
	atOnce    = "At-Once"
	listening = "Listening"
)

// runApp does not wait for requests when it is told to stop.
func runApp() {
	listener, err := net.Listen("tcp", os.Getenv("NOMAD_ADDR_http"))
	if err == nil {
		var requests atomic.Int64
		since := time.Now().Format(time.RFC3339Nano)
		err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(listening, since)
			w.Header().Set(atOnce, strconv.FormatInt(requests.Add(1), 10))
			defer requests.Add(-1)
			serveApp(w, r)
		}))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serveApp takes as long as a request says or its client stays, and crashes when a
// request says so. It sends back what comes over WebSockets.
func serveApp(w http.ResponseWriter, r *http.Request) {
	switch query := r.URL.Query(); {
	case query.Has("crash"):
		os.Exit(1)
	case r.Header.Get("Upgrade") != "":
		echoSocket(w, r)
		return
	case query.Has("take"):
		d, _ := time.ParseDuration(query.Get("take"))
		pause(r.Context(), d)
	}
	fmt.Fprint(w, os.Getenv("NOMAD_ALLOC_INDEX"))
}

func echoSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// realGateway is a gateway that runs on a real Nomad.
type realGateway struct {
	*running
	agent *nomadtest.Agent
}

// onNomad starts a Nomad and a gateway that runs on it.
func onNomad(t testing.TB, options ...nomadtest.Options) realGateway {
	t.Helper()
	return onAgent(t, nomadtest.Start(t, options...), gateway.Config{EndDelays: true})
}

// onAgent starts a gateway that runs on a Nomad.
func onAgent(t testing.TB, agent *nomadtest.Agent, config gateway.Config) realGateway {
	t.Helper()
	config.Nomad = agent.Client
	g := realGateway{run(t, config), agent}
	eventually(t, "the gateway is ready", func() bool { return g.ready(t) })
	return g
}

// start registers a job with one group, web, that scales by the document, and
// waits until its instances are ready.
func (g realGateway) start(t testing.TB, job string, count int, document scaler.Document,
	change ...func(*nomadapi.TaskGroup)) (url string) {
	t.Helper()
	app := g.register(t, job, count, document, change...)
	eventually(t, "the instances of "+app+" are ready", func() bool {
		status, found := g.find(t, app)
		return found && status.Running == count
	})
	return g.url(app)
}

// register registers a job with one group, web, that scales by the document.
func (g realGateway) register(t testing.TB, job string, count int, document scaler.Document,
	change ...func(*nomadapi.TaskGroup)) (app string) {
	t.Helper()
	app = "default/" + job + "/web"
	j := nomadtest.Job(policy(t, app, document), nomadtest.Self(t))
	group := j.TaskGroups[0]
	group.Count = &count
	group.Tasks[0].Env = map[string]string{appVariable: "1"}
	// Enough for a binary with the race detector in it.
	group.Tasks[0].Resources.MemoryMB = new(256)
	for _, c := range change {
		c(group)
	}
	g.agent.Register(t, j)
	t.Cleanup(func() {
		options := &nomadapi.DeregisterOptions{Purge: true, NoShutdownDelay: true}
		if _, _, err := g.agent.API.Jobs().DeregisterOpts(job, options, nil); err != nil {
			t.Errorf("removing %s: %v", job, err)
		}
	})
	return app
}

// status is what the gateway says of the app of a job.
func (g realGateway) status(t testing.TB, job string) api.AppStatus {
	t.Helper()
	return g.running.status(t, "default/"+job+"/web")
}

// wantScaled checks that the job was scaled once, to that count.
func (g realGateway) wantScaled(t *testing.T, job string, count int) {
	t.Helper()
	p := policy(t, "default/"+job+"/web", nil)
	status, _, err := g.agent.API.Jobs().ScaleStatus(job, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := status.TaskGroups[p.App.Group].Events
	if last := g.agent.Status(t, p).History.LastAction; len(events) != 1 || last == nil || last.To != count {
		t.Errorf("there were %d scaling events, the last being %+v, want one to %d", len(events), last, count)
	}
}

// fetch sends a request and returns an error unless it was answered by the app.
func fetch(url string) error { return fetchBy(http.DefaultClient, url) }

func fetchBy(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}

// herd sends requests to several gateways at once, on connections that are open
// already.
func herd(n int, gateways []string, path string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	send := func(path string) error {
		errs := make([]error, n)
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() { errs[i] = fetchBy(client, gateways[i%len(gateways)]+path) })
		}
		group.Wait()
		return errors.Join(errs...)
	}
	// There is no app: this opens the connections.
	_ = send("/")
	return send(path)
}

// fetchAll sends requests at once.
func fetchAll(n int, url string) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = fetch(url) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// sustain sends requests, so many at a time, until it is stopped, and fails the test
// if one fails. It returns when some were served; stop serves some more first.
func sustain(t testing.TB, atOnce int, url string) (stop func() (served int64)) {
	t.Helper()
	return sustainBy(t, atOnce, func() error { return fetch(url) })
}

// sustainBy is sustain for requests of any kind.
func sustainBy(t testing.TB, atOnce int, request func() error) (stop func() (served int64)) {
	t.Helper()
	var served atomic.Int64
	var failed atomic.Pointer[error]
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for ctx.Err() == nil {
				if err := request(); err != nil {
					failed.Store(&err)
					return
				}
				served.Add(1)
			}
		})
	}
	some := func() {
		t.Helper()
		until := served.Load() + 100
		eventually(t, "requests are served", func() bool { return served.Load() > until || failed.Load() != nil })
	}
	end := sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(end)
	some()
	return func() int64 {
		t.Helper()
		some()
		end()
		if err := failed.Load(); err != nil {
			t.Errorf("a request failed: %v", *err)
		}
		return served.Load()
	}
}

func TestOnNomad(t *testing.T) {
	g := onNomad(t)
	agent := g.agent

	t.Run("the first request starts the app", func(t *testing.T) {
		url := g.start(t, "first", 0, scaler.Document{"min_instances": "0"})
		if err := fetch(url); err != nil {
			t.Fatal(err)
		}
		s := g.status(t, "first")
		if s.Running != 1 || s.Desired != 1 || s.Decision.Rule != scaler.RuleActivate {
			t.Errorf("the app shows %+v", s)
		}
		c := s.ColdStart
		if c == nil || c.Ready <= 0 || c.Total < c.Ready || s.StartSeconds <= 0 {
			t.Fatalf("the cold start shown is %+v", c)
		}
		t.Logf("from zero in %.0f ms: %.0f ms until Nomad had the count, %.0f until it had placed, %.0f the app's own, %.0f until the answer",
			1000*c.Total, 1000*c.Decide, 1000*c.Place, 1000*c.Ready, 1000*c.FirstByte)
		g.wantScaled(t, "first", 1)
	})

	t.Run("an override holds the app at zero", func(t *testing.T) {
		url := g.start(t, "held", 0, scaler.Document{"min_instances": "0"})
		target := scaler.AppID{Namespace: "default", Job: "held", Group: "web"}
		hold := &scaler.Override{Hold: true, ExpiresAt: time.Now().Add(time.Hour), By: "alice", Reason: "a migration"}
		if _, err := agent.Client.SetOverride(t.Context(), target, hold, 0, time.Now()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the gateway knows the override", func() bool { return g.status(t, "held").Override != nil })
		if err := fetch(url); err == nil || !strings.Contains(err.Error(), "not_started") ||
			!strings.Contains(err.Error(), "set by alice: a migration") {
			t.Errorf("error %v, want not_started and who holds the app and why", err)
		}
		set, err := agent.Client.Override(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if err := agent.Client.ClearOverride(t.Context(), target, set.ModifyIndex); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the gateway knows that it is cleared", func() bool { return g.status(t, "held").Override == nil })
		if err := fetch(url); err != nil {
			t.Errorf("after the override: %v", err)
		}
		g.wantScaled(t, "held", 1)
	})

	t.Run("five hundred first requests make one call", func(t *testing.T) {
		url := g.start(t, "herd", 0, scaler.Document{
			"min_instances": "0", "max_instances": "3", "metric": "concurrency", "target_concurrency_per_instance": "2",
		})
		gateway, path, _ := strings.Cut(url, "/apps/")
		if err := herd(500, []string{gateway}, "/apps/"+path+"?take=20ms"); err != nil {
			t.Fatal(err)
		}
		g.wantScaled(t, "herd", 3)
		allocations, _, err := agent.API.Jobs().Allocations("herd", true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(allocations) > 3 {
			t.Errorf("there were %d instances, want at most 3", len(allocations))
		}
	})

	t.Run("it grows with concurrency", func(t *testing.T) {
		url := g.start(t, "growth", 1, scaler.Document{
			"max_instances": "4", "metric": "concurrency", "target_concurrency_per_instance": "2",
			"max_concurrency_per_instance": "2", "scale_up_step": "0",
		}, func(group *nomadapi.TaskGroup) { group.Update = nil })
		stop := sustain(t, 8, url+"?take=50ms")
		eventually(t, "four instances are ready", func() bool { return g.status(t, "growth").Running == 4 })
		stop()
		if last := agent.Status(t, policy(t, "default/growth/web", nil)).History.LastAction; last == nil || last.To != 4 {
			t.Errorf("the last action was %+v, want one to 4", last)
		}
	})

	t.Run("another mode restarts nothing", func(t *testing.T) {
		url := g.start(t, "modes", 2, scaler.Document{"service_selection_mode": "random", "min_instances": "2"})
		before := g.ids(t, "modes")
		for mode, refused := range map[string]bool{"exact": true, "first": false} {
			changed := time.Now()
			g.register(t, "modes", 2, scaler.Document{"service_selection_mode": mode, "min_instances": "2"})
			eventually(t, mode+" is in force", func() bool {
				err := fetch(url)
				return g.status(t, "modes").Policy["service_selection_mode"] == mode && refused == (err != nil &&
					strings.Contains(err.Error(), "several_instances"))
			})
			t.Logf("%s was in force %s after it was registered", mode, time.Since(changed).Round(time.Millisecond))
		}
		if diff := cmp.Diff(before, g.ids(t, "modes")); diff != "" {
			t.Errorf("the instances are others (-before +after):\n%s", diff)
		}
	})

	t.Run("no request fails when instances stop", func(t *testing.T) {
		url := g.start(t, "shrink", 3, scaler.Document{"target_requests_per_instance": "1000000"},
			func(group *nomadapi.TaskGroup) { group.ShutdownDelay = new(10 * time.Minute) })
		stop := sustain(t, 8, url+"?take=20ms")
		if _, _, err := agent.API.Jobs().Scale("shrink", "web", new(1), "by hand", false, nil, nil); err != nil {
			t.Fatal(err)
		}
		// The delay is far from over when its last request is.
		eventually(t, "two instances have ended", func() bool { return len(g.status(t, "shrink").Instances) == 1 })
		t.Logf("%d requests were served", stop())
		allocations, _, err := agent.API.Jobs().Allocations("shrink", true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(allocations) != 3 {
			t.Errorf("there were %d instances, want no replacement for those that were ended early", len(allocations))
		}
	})

	t.Run("the delay of a running instance cannot be ended", func(t *testing.T) {
		g.start(t, "steady", 1, scaler.Document{})
		id := g.status(t, "steady").Instances[0].ID
		if err := agent.Client.EndDelay(t.Context(), id); err == nil {
			t.Error("it was ended")
		}
		if s := g.status(t, "steady").Instances; len(s) != 1 || s[0].State != api.Ready {
			t.Errorf("the instances are %+v, want the one", s)
		}
	})

	t.Run("a malformed policy takes nothing else down", func(t *testing.T) {
		good := g.start(t, "good", 1, scaler.Document{})
		url := g.start(t, "bad", 1, scaler.Document{})
		job, _, err := agent.API.Jobs().Info("bad", nil)
		if err != nil {
			t.Fatal(err)
		}
		check := job.TaskGroups[0].Scaling.Policy["check"].([]any)[0].(map[string]any)["load"].([]any)[0].(map[string]any)
		strategy := check["strategy"].([]any)[0].(map[string]any)[jobspec.Driver].([]any)[0].(map[string]any)
		strategy["max_instances"] = "many"
		if _, _, err := agent.API.Jobs().Register(job, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the app shows its error", func() bool { return strings.Contains(g.status(t, "bad").Error, "max_instances") })
		for _, url := range []string{good, url} {
			if err := fetch(url); err != nil {
				t.Error(err)
			}
		}
	})
}

// Without servers the traffic goes on and nothing is started; when they are
// back, everything is right again.
func TestWithoutNomad(t *testing.T) {
	g := onNomad(t, nomadtest.Options{Durable: true})
	url := g.start(t, "warm", 1, scaler.Document{})
	cold := g.start(t, "cold", 0, scaler.Document{"min_instances": "0"})
	g.agent.Kill()
	eventually(t, "Nomad is known not to answer", func() bool { return !g.reachesNomad(t) })
	if err := fetchAll(20, url); err != nil {
		t.Error(err)
	}
	if got := refusal(t, get(t, cold)); got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseNomadUnreachable {
		t.Errorf("a start without Nomad: %+v", got)
	}
	if err := g.agent.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Nomad is known to answer", func() bool { return g.reachesNomad(t) })
	if err := fetch(url); err != nil {
		t.Errorf("after Nomad is back: %v", err)
	}
	// How soon the agent starts something after it is back is not the gateway's.
	go func() { _ = fetch(cold) }()
	eventually(t, "the app is started", func() bool {
		return g.agent.Status(t, policy(t, "default/cold/web", nil)).Desired == 1
	})
}
