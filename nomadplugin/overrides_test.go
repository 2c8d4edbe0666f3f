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

// logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) count(words string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Count(l.text.String(), words)
}

func newStrategy(t *testing.T, config map[string]string) (*Strategy, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	s := NewStrategy(hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug}))
	t.Cleanup(s.watches.stop)
	if err := s.SetConfig(config); err != nil {
		t.Fatal(err)
	}
	return s, log
}

// evaluate runs the strategy on a load in requests a minute.
func evaluate(t *testing.T, s *Strategy, p scaler.Policy, load float64) *sdk.ScalingAction {
	t.Helper()
	eval := &sdk.ScalingCheckEvaluation{
		Check:   &sdk.ScalingPolicyCheck{Name: "load", Strategy: &sdk.ScalingPolicyStrategy{Name: "nomadscale", Config: p.Document()}},
		Metrics: sdk.TimestampedMetrics{{Timestamp: time.Now(), Value: load}},
	}
	eval, err := s.Run(eval, 1)
	if err != nil {
		t.Fatal(err)
	}
	return eval.Action
}

// fakeNomad knows one app with 1 instance. The test answers the requests for overrides.
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

func TestRunHoldsUntilOverridesAreKnown(t *testing.T) {
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
	action := evaluate(t, s, p, 170)
	if action.Direction != sdk.ScaleDirectionNone || !strings.Contains(action.Reason, "waiting for the overrides") {
		t.Errorf("the action is %+v, want none, because it waits for the overrides", action)
	}

	broken.Store(true)
	s, log := newStrategy(t, map[string]string{"nomad_address": server.URL})
	nomadtest.Eventually(t, 30*time.Second, "an action up although overrides cannot be read", func() bool {
		action := evaluate(t, s, p, 170)
		return action.Direction == sdk.ScaleDirectionUp && action.Count == 2
	})
	if n := log.count("no key to decrypt with"); n != 1 {
		t.Errorf("the reason was logged %d times, want once", n)
	}
}

func TestSetConfigReplacesTheWatchAndDoesNotWait(t *testing.T) {
	var open, opened atomic.Int32
	server := fakeNomad(t, func(_ http.ResponseWriter, r *http.Request) {
		opened.Add(1)
		open.Add(1)
		defer open.Add(-1)
		<-r.Context().Done()
	})
	s, _ := newStrategy(t, map[string]string{"nomad_address": server.URL})
	nomadtest.Eventually(t, 10*time.Second, "the first watch", func() bool { return open.Load() == 1 })
	for n := int32(2); n <= 4; n++ {
		begin := time.Now()
		if err := s.SetConfig(map[string]string{"nomad_address": server.URL}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("SetConfig took %s", took)
		}
		nomadtest.Eventually(t, 10*time.Second, "one watch that replaces the other", func() bool { return opened.Load() == n && open.Load() == 1 })
	}
	s.watches.stop()
	nomadtest.Eventually(t, 10*time.Second, "no watch", func() bool { return open.Load() == 0 })
}

func TestRunDecidesWithATokenThatCannotReadOverrides(t *testing.T) {
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
		if action := evaluate(t, s, p, 170); action.Direction != sdk.ScaleDirectionUp || action.Count != 2 {
			t.Errorf("the action is %+v, want up to 2", action)
		}
	}
	if n := log.count("needs the capabilities list and read on the variables nomadscale/overrides/* in namespace default"); n != 1 {
		t.Errorf("the missing capability was logged %d times, want once", n)
	}
	if log.count(token.SecretID) > 0 {
		t.Error("the token is in the log")
	}
}
