package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// AppStatus is what /v1/apps answers for each app, in a list.
type AppStatus struct {
	// App is <namespace>/<job>/<group>.
	App string `json:"app"`
	// Policy is the policy that is in force, with every value explicit; absent
	// while there has been no valid one.
	Policy scaler.Document `json:"policy,omitempty"`
	// Enabled is the scaling block's own switch.
	Enabled bool `json:"enabled"`
	// Override is what stands in for some of Policy's values for a while; absent
	// when no override is in force.
	Override *scaler.Override `json:"override,omitempty"`
	// Error says what is wrong with the newest policy. Policy is then the last
	// good one, and stays in force.
	Error string `json:"error,omitempty"`
	// Mounts are the places where requests come from: a host or "", and a path.
	Mounts []string `json:"mounts"`
	// Refused are places that the policy asks for and another app has.
	Refused []string `json:"refused,omitempty"`
	// Desired is the count that Nomad is asked to run and Running those that
	// are ready, as far as the gateway knows.
	Desired int `json:"desired"`
	Running int `json:"running"`
	// Metric is the policy's, and Load the app's in it as this gateway sees
	// it; absent for a custom metric.
	Metric scaler.Metric `json:"metric,omitempty"`
	Load   *float64      `json:"load,omitempty"`
	// InFlight are requests at instances; Queued are requests held.
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued"`
	// Instances are those that Nomad runs or is stopping, by index.
	Instances []InstanceStatus `json:"instances"`
	// Decision is the last one made here, if any.
	Decision *DecisionStatus `json:"decision,omitempty"`
	// ScaleError is why the last call to scale failed; "" after one that did not.
	ScaleError string `json:"scale_error,omitempty"`
	// StartError is why no instance is going to start, in Nomad's words; ""
	// while one may.
	StartError string `json:"start_error,omitempty"`
	// StartSeconds is how long instances take from their allocation until they
	// are ready, learned from the last ones; 0 while not known.
	StartSeconds float64 `json:"start_seconds"`
	// ColdStart is the last start from zero, if any.
	ColdStart *ColdStart `json:"cold_start,omitempty"`
}

// State is where an instance stands.
type State string

// The states. Every instance begins as Starting and is probed; one that turns
// out not to accept connections, or not to answer, is Ejected for a while and then
// probed again. Nomad's decision to stop it makes it Draining for good.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Ejected  State = "ejected"
	Draining State = "draining"
)

// InstanceStatus is an instance in an [AppStatus].
type InstanceStatus struct {
	InstanceRef
	State State `json:"state"`
	// Since is when it came into that state.
	Since time.Time `json:"since"`
	// InFlight are the requests at it.
	InFlight int `json:"in_flight"`
	// Error is what its last probe met while it is starting, and what a request
	// or the last probe met while it is ejected.
	Error string `json:"error,omitempty"`
}

// LoadReport is what /v1/load answers: for each app, or with ?app= for that one,
// what load it has here. With &metric= and &window=, a duration, it is the load in
// that metric over the window.
type LoadReport struct {
	// Gateway is the ID of the gateway.
	Gateway string `json:"gateway"`
	// Now is its clock.
	Now time.Time `json:"now"`
	// Apps are by name, <namespace>/<job>/<group>.
	Apps map[string]load.Snapshot `json:"apps"`
	// Series is there with ?app=, &metric= and &window=.
	Series load.Series `json:"series,omitempty"`
	// Shared is there with &metric= and &window= for each app, in the place of
	// Apps.
	Shared []SharedSeries `json:"shared,omitempty"`
}

// adminHandler serves the admin listener. Health checks need no token.
func (g *Gateway) adminHandler() http.Handler {
	inside := http.NewServeMux()
	inside.HandleFunc("GET /v1/apps", g.serveApps)
	inside.HandleFunc("GET /v1/decisions", g.serveDecisions)
	inside.HandleFunc("GET /v1/load", g.serveLoad)
	inside.HandleFunc("GET /v1/peers", g.servePeers)
	inside.HandleFunc("GET /v1/peer", g.servePeer)
	inside.HandleFunc("POST /v1/peer/slots", g.serveSlots)
	inside.Handle("GET /metrics", g.metrics.handler())
	inside.HandleFunc("/debug/pprof/", pprof.Index)
	inside.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	inside.HandleFunc("/debug/pprof/profile", pprof.Profile)
	inside.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	inside.HandleFunc("/debug/pprof/trace", pprof.Trace)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", g.serveReady)
	mux.Handle("/", authorised(g.config.AdminToken, inside))
	return mux
}

// authorised asks for the bearer token, if there is one.
func authorised(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if got := sha256.Sum256([]byte(given)); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the admin token is needed: Authorization: Bearer <token>", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveReady answers 200 from when the gateway knows apps, instances and overrides
// until it begins to end.
func (g *Gateway) serveReady(w http.ResponseWriter, _ *http.Request) {
	switch {
	case g.ending.Load():
		http.Error(w, "the gateway is ending", http.StatusServiceUnavailable)
	case !g.apps.known():
		http.Error(w, "the gateway does not know the apps and instances yet", http.StatusServiceUnavailable)
	case !g.overrides.Known():
		http.Error(w, "the gateway does not know the overrides yet", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ok")
	}
}

func (g *Gateway) serveApps(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, g.apps.statuses())
}

func (g *Gateway) serveLoad(w http.ResponseWriter, r *http.Request) {
	now := g.now()
	report := LoadReport{Gateway: g.config.ID, Now: now, Apps: make(map[string]load.Snapshot)}
	query := r.URL.Query()
	metric := scaler.Metric(query.Get("metric"))
	window, ok := scaler.ParseDuration(query.Get("window"))
	if query.Has("metric") && (!ok || window < 0 || (metric != scaler.RequestsPerMinute && metric != scaler.Concurrency)) {
		http.Error(w, "metric must be requests_per_minute or concurrency, and window a duration", http.StatusBadRequest)
		return
	}
	switch {
	case query.Has("app"):
		a := g.apps.find(query.Get("app"))
		if a == nil {
			noApp(w, query.Get("app"))
			return
		}
		report.Apps[a.name] = a.meter.Snapshot(now)
		if query.Has("metric") {
			report.Series = a.meter.Series(metric, now.Add(-window), now)
		}
	case query.Has("metric"):
		report.Shared = shareSeries(g.apps.all(), metric, window, now)
	default:
		for _, a := range g.apps.all() {
			report.Apps[a.name] = a.meter.Snapshot(now)
		}
	}
	writeJSON(w, report)
}

func noApp(w http.ResponseWriter, name string) {
	http.Error(w, fmt.Sprintf("there is no app %q", name), http.StatusNotFound)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
