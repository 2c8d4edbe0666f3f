package nomadplugin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// again is how long scaling may take to go on after a fault: the agent may have
// to be ended by the watchdog and started anew.
const again = 90 * time.Second

// A fault changes no count while it lasts, and scaling goes on afterwards.
func TestFaults(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{Durable: true})
	gateway := startGateway(t)
	between := startFaulty(t, cluster.Address)
	agent := startAgent(t, &nomadtest.Agent{Address: between.URL}, gateway)
	agent.supervise(t)

	// grown is an app at two instances, whose load would call for more if it rose.
	grown := func(t *testing.T, name string) scaler.Policy {
		t.Helper()
		p := declare(t, cluster, name, scaler.Document{
			"max_instances": "5", "scale_up_step": "0", "scale_up_cooldown": "0s", "scale_down_cooldown": "0s", "scale_down_step": "0",
		})
		gateway.load(p, 150)
		nomadtest.Eventually(t, again, "growth before the fault", func() bool { return desired(t, cluster, p) == 2 })
		return p
	}
	// goesOn demands that the count has stayed and that the app grows again.
	goesOn := func(t *testing.T, p scaler.Policy) {
		t.Helper()
		if got := desired(t, cluster, p); got != 2 {
			t.Errorf("%d instances are desired after the fault, want 2", got)
		}
		gateway.load(p, 400)
		nomadtest.Eventually(t, again, "growth after the fault", func() bool { return desired(t, cluster, p) == 5 })
	}

	t.Run("SIGHUP", func(t *testing.T) {
		p := grown(t, "hup")
		if err := agent.signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		nomadtest.Eventually(t, soon, "the reload in the log", func() bool { return strings.Contains(agent.output(t), "caught signal: signal=hangup") })
		goesOn(t, p)
	})

	for name, fault := range map[string]http.HandlerFunc{
		"Nomad answers 500": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "rpc error: EOF", http.StatusInternalServerError)
		},
		"Nomad refuses the token": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Permission denied", http.StatusForbidden)
		},
		"Nomad is slow": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		},
		"Nomad breaks connections off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			p := grown(t, "proxy-"+strings.ReplaceAll(strings.ToLower(name), " ", "-"))
			gateway.load(p, 0)
			between.fail(fault)
			nomadtest.Eventually(t, again, "requests that meet the fault", func() bool { return between.failed.Load() >= 5 })
			gateway.load(p, 150)
			between.fail(nil)
			goesOn(t, p)
		})
	}

	t.Run("Nomad is restarted", func(t *testing.T) {
		p := grown(t, "restart")
		cluster.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), again)
		defer cancel()
		if err := cluster.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		goesOn(t, p)
	})

	t.Run("a job is stopped, and comes back without a policy", func(t *testing.T) {
		p, other := grown(t, "bare"), grown(t, "bystander")
		if _, _, err := cluster.API.Jobs().Deregister(p.App.Job, false, nil); err != nil {
			t.Fatal(err)
		}
		job := nomadtest.Job(p)
		job.TaskGroups[0].Scaling = nil
		*job.TaskGroups[0].Count = 2
		cluster.Register(t, job)
		gateway.load(p, 400)
		goesOn(t, other)
		if got := desired(t, cluster, p); got != 2 {
			t.Errorf("%d instances are desired without a policy, want 2", got)
		}
	})

	t.Run("kill -9 of the plugins, and a restart of the agent", func(t *testing.T) {
		p := grown(t, "plugins")
		errors, ends := agent.evaluationErrors(t), agent.endsOfEvaluation(t)
		agent.killPlugins(t)
		gateway.load(p, 0)
		// An evaluation that was under way makes the agent give up all of them.
		nomadtest.Eventually(t, again, "evaluations that fail", func() bool {
			return agent.evaluationErrors(t) >= errors+3 || agent.endsOfEvaluation(t) > ends
		})
		gateway.load(p, 150)
		if err := agent.signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		goesOn(t, p)
	})
}

// desired is the count, as soon as Nomad tells it.
func desired(t *testing.T, cluster *nomadtest.Agent, p scaler.Policy) int {
	t.Helper()
	var n int
	nomadtest.Eventually(t, soon, "an answer of Nomad", func() bool {
		status, err := cluster.Client.Status(t.Context(), p.App)
		n = status.Desired
		return err == nil
	})
	return n
}

// faulty stands between the agent and Nomad, for the faults that a real one does
// not show on demand.
type faulty struct {
	*httptest.Server
	fault  atomic.Pointer[http.HandlerFunc]
	failed atomic.Int64
}

func startFaulty(t *testing.T, address string) *faulty {
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f := new(faulty)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := f.fault.Load(); fault != nil {
			f.failed.Add(1)
			(*fault)(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// fail makes every request meet the fault; nil ends it. Queries that wait are
// broken off, so that they meet it too.
func (f *faulty) fail(fault http.HandlerFunc) {
	f.failed.Store(0)
	if fault == nil {
		f.fault.Store(nil)
		return
	}
	f.fault.Store(&fault)
	f.CloseClientConnections()
}

// supervise starts the agent anew whenever it ends, as Nomad does with a job.
func (a *agent) supervise(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			a.wait()
			if ctx.Err() != nil {
				return
			}
			a.start(t)
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = a.signal(os.Interrupt)
		<-done
	})
}

// killPlugins ends the plugins' processes at once.
func (a *agent) killPlugins(t *testing.T) {
	t.Helper()
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(a.pid())).Output()
	if err != nil {
		t.Fatalf("finding the agent's plugins: %v", err)
	}
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *agent) endsOfEvaluation(t *testing.T) int {
	return strings.Count(a.output(t), "re-starting policy manager")
}

func (a *agent) evaluationErrors(t *testing.T) int {
	return strings.Count(a.output(t), "context canceled") + strings.Count(a.output(t), "code = Unavailable")
}
