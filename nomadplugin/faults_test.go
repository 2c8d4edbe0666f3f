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

// recovery is how long scaling may take to go on after a fault. The watchdog may have
// to end the agent, and the supervisor to restart it.
const recovery = 90 * time.Second

// A fault changes no count while it lasts, and scaling goes on afterwards.
func TestFaults(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{Durable: true})
	gateway := startGateway(t)
	proxy := startFaultyProxy(t, cluster.Address)
	agent := startAgent(t, &nomadtest.Agent{Address: proxy.URL}, gateway)
	agent.supervise(t)

	// grown declares an app and waits until it has two instances. More load would need
	// more instances.
	grown := func(t *testing.T, name string) scaler.Policy {
		t.Helper()
		p := declare(t, cluster, name, scaler.Document{
			"max_instances": "5", "scale_up_step": "0", "scale_up_cooldown": "0s", "scale_down_cooldown": "0s", "scale_down_step": "0",
		})
		gateway.load(p, 150)
		nomadtest.Eventually(t, recovery, "growth before the fault", func() bool { return desired(t, cluster, p) == 2 })
		return p
	}
	// goesOn checks that the count has stayed and that the app grows again.
	goesOn := func(t *testing.T, p scaler.Policy) {
		t.Helper()
		if got := desired(t, cluster, p); got != 2 {
			t.Errorf("%d instances are desired after the fault, want 2", got)
		}
		gateway.load(p, 400)
		nomadtest.Eventually(t, recovery, "growth after the fault", func() bool { return desired(t, cluster, p) == 5 })
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
			proxy.fail(fault)
			nomadtest.Eventually(t, recovery, "requests that meet the fault", func() bool { return proxy.failed.Load() >= 5 })
			gateway.load(p, 150)
			proxy.fail(nil)
			goesOn(t, p)
		})
	}

	t.Run("Nomad is restarted", func(t *testing.T) {
		p := grown(t, "restart")
		cluster.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), recovery)
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
		// An evaluation in progress can make the agent end all evaluations.
		nomadtest.Eventually(t, recovery, "evaluations that fail", func() bool {
			return agent.evaluationErrors(t) >= errors+3 || agent.endsOfEvaluation(t) > ends
		})
		gateway.load(p, 150)
		if err := agent.signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		goesOn(t, p)
	})
}

// desired returns the count as soon as Nomad answers.
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

// faultyProxy forwards to Nomad, or injects a fault that a real Nomad does not show on
// demand.
type faultyProxy struct {
	*httptest.Server
	fault  atomic.Pointer[http.HandlerFunc]
	failed atomic.Int64
}

func startFaultyProxy(t *testing.T, address string) *faultyProxy {
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f := new(faultyProxy)
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

// fail makes every request meet the fault; nil ends it. It closes connections, so that
// blocking queries meet the fault too.
func (f *faultyProxy) fail(fault http.HandlerFunc) {
	f.failed.Store(0)
	if fault == nil {
		f.fault.Store(nil)
		return
	}
	f.fault.Store(&fault)
	f.CloseClientConnections()
}

// supervise restarts the agent whenever it ends, as Nomad does with a job.
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

// killPlugins kills the plugins' processes.
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
