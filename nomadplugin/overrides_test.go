package nomadplugin

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// logged is a log that a test reads while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

func newStrategy(t *testing.T, config map[string]string) (*Strategy, *logged) {
	t.Helper()
	log := new(logged)
	s := NewStrategy(hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug}))
	t.Cleanup(s.watch.end)
	if err := s.SetConfig(config); err != nil {
		t.Fatal(err)
	}
	return s, log
}

// evaluate runs the strategy on a load of 170 requests a minute.
func evaluate(t *testing.T, s *Strategy, p scaler.Policy) *sdk.ScalingAction {
	t.Helper()
	eval := &sdk.ScalingCheckEvaluation{
		Check:   &sdk.ScalingPolicyCheck{Name: "load", Strategy: &sdk.ScalingPolicyStrategy{Name: "nomadscale", Config: p.Document()}},
		Metrics: sdk.TimestampedMetrics{{Timestamp: time.Now(), Value: 170}},
	}
	eval, err := s.Run(eval, 1)
	if err != nil {
		t.Fatal(err)
	}
	return eval.Action
}

// fakeNomad knows one app at 1 instance. What it answers for overrides is the
// test's.
func fakeNomad(t *testing.T, overrides http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/job/web/scale", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"JobID": "web", "TaskGroups": {"app": {"Desired": 1, "Running": 1}}}`)
	})
	mux.HandleFunc("GET /v1/scaling/policies", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("index") != "" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Nomad-Index", "5")
		fmt.Fprint(w, `[]`)
	})
	mux.HandleFunc("GET /v1/vars", overrides)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestRunHoldsUntilItIsKnownWhichOverridesThereAre(t *testing.T) {
	var broken atomic.Bool
	server := fakeNomad(t, func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "no key to decrypt with", http.StatusInternalServerError)
			return
		}
		<-r.Context().Done()
	})
	s, _ := newStrategy(t, map[string]string{"nomad_address": server.URL})
	p := nomadtest.Policy(t, "web", nil)
	action := evaluate(t, s, p)
	if action.Direction != sdk.ScaleDirectionNone || !strings.Contains(action.Reason, "waiting for the overrides") {
		t.Errorf("the action is %+v, want none that waits for the overrides", action)
	}

	broken.Store(true)
	s, log := newStrategy(t, map[string]string{"nomad_address": server.URL})
	nomadtest.Eventually(t, 30*time.Second, "an action up although overrides cannot be read", func() bool {
		action := evaluate(t, s, p)
		return action.Direction == sdk.ScaleDirectionUp && action.Count == 2
	})
	if n := log.count("no key to decrypt with"); n != 1 {
		t.Errorf("why was logged %d times, want once", n)
	}
}

func TestSetConfigReplacesTheWatchAndWaitsForNothing(t *testing.T) {
	var asking atomic.Int32
	var asked atomic.Int32
	server := fakeNomad(t, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		asking.Add(1)
		defer asking.Add(-1)
		<-r.Context().Done()
	})
	s, _ := newStrategy(t, map[string]string{"nomad_address": server.URL})
	nomadtest.Eventually(t, 10*time.Second, "the first watch", func() bool { return asking.Load() == 1 })
	for n := int32(2); n <= 4; n++ {
		begin := time.Now()
		if err := s.SetConfig(map[string]string{"nomad_address": server.URL}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("SetConfig took %s", took)
		}
		nomadtest.Eventually(t, 10*time.Second, "one watch in the place of the other", func() bool { return asked.Load() == n && asking.Load() == 1 })
	}
	s.watch.end()
	nomadtest.Eventually(t, 10*time.Second, "no watch", func() bool { return asking.Load() == 0 })
}

func TestATokenThatMayNotReadOverridesDecides(t *testing.T) {
	cluster := nomadtest.Start(t, nomadtest.Options{ACL: true})
	p := nomadtest.Policy(t, "web", nil)
	cluster.Register(t, nomadtest.Job(p))
	policy := &api.ACLPolicy{Name: "strategy", Rules: `namespace "*" { capabilities = ["read-job-scaling", "list-scaling-policies", "read-scaling-policy"] }`}
	if _, err := cluster.API.ACLPolicies().Upsert(policy, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := cluster.API.ACLTokens().Create(&api.ACLToken{Name: "strategy", Type: "client", Policies: []string{"strategy"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, log := newStrategy(t, map[string]string{"nomad_address": cluster.Address, "nomad_token": token.SecretID})
	for range 3 {
		if action := evaluate(t, s, p); action.Direction != sdk.ScaleDirectionUp || action.Count != 2 {
			t.Errorf("the action is %+v, want up to 2", action)
		}
	}
	if n := log.count("needs the capabilities list and read on the variables nomadscale/overrides/* in namespace default"); n != 1 {
		t.Errorf("what the token lacks was logged %d times, want once", n)
	}
	if log.count(token.SecretID) > 0 {
		t.Error("the token is in the log")
	}
}
