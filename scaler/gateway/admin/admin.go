// Package admin is what a gateway answers for itself on its admin listener: the
// state of apps, load, decisions and other gateways, metrics, health checks and
// profiles.
package admin

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
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// Apps is the apps of a gateway.
type Apps interface {
	// All lists the apps by name.
	All() []*backend.App
	// Find returns an app, nil when there is none of that name.
	Find(id scaler.AppID) *backend.App
	// Known reports whether apps and instances have been read.
	Known() bool
	// Unreachable is why Nomad does not answer; nil while it does.
	Unreachable() error
}

// Config is what the admin listener answers from.
type Config struct {
	// Gateway is the gateway's ID, and Process its process among the others'.
	Gateway, Process string
	// Token is asked for as a bearer token; "" asks for none.
	Token   string
	Apps    Apps
	Cluster *cluster.Cluster
	Clock   *cluster.LamportClock
	Now     func() time.Time
	Metrics *Metrics
	// Ending reports that the gateway takes no new requests.
	Ending func() bool
	// OverridesKnown reports that there is no point in waiting for the overrides.
	OverridesKnown func() bool
}

// Handler serves the admin listener. Health checks need no token.
func Handler(c Config) http.Handler {
	inside := http.NewServeMux()
	inside.HandleFunc("GET /v1/apps", c.serveApps)
	inside.HandleFunc("GET /v1/decisions", c.serveDecisions)
	inside.HandleFunc("GET /v1/load", c.serveLoad)
	inside.HandleFunc("GET /v1/peers", c.servePeers)
	inside.HandleFunc("GET /v1/peer", c.servePeer)
	inside.HandleFunc("POST /v1/peer/permits", c.servePermits)
	inside.Handle("GET /metrics", c.Metrics.handler())
	inside.HandleFunc("/debug/pprof/", pprof.Index)
	inside.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	inside.HandleFunc("/debug/pprof/profile", pprof.Profile)
	inside.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	inside.HandleFunc("/debug/pprof/trace", pprof.Trace)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", c.serveReady)
	mux.Handle("/", authorised(c.Token, inside))
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
func (c Config) serveReady(w http.ResponseWriter, _ *http.Request) {
	switch {
	case c.Ending():
		http.Error(w, "the gateway is ending", http.StatusServiceUnavailable)
	case !c.Apps.Known():
		http.Error(w, "the gateway does not know the apps and instances yet", http.StatusServiceUnavailable)
	case !c.OverridesKnown():
		http.Error(w, "the gateway does not know the overrides yet", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ok")
	}
}

func (c Config) serveApps(w http.ResponseWriter, _ *http.Request) {
	all := c.Apps.All()
	statuses := make([]api.AppStatus, len(all))
	for i, a := range all {
		statuses[i] = a.Status()
	}
	writeJSON(w, statuses)
}

// serveDecisions answers with the last decisions of each app, newest first, or
// with ?app= of that one.
func (c Config) serveDecisions(w http.ResponseWriter, r *http.Request) {
	apps := c.Apps.All()
	if r.URL.Query().Has("app") {
		a := c.find(w, r)
		if a == nil {
			return
		}
		apps = []*backend.App{a}
	}
	all := make(map[scaler.AppID][]api.DecisionStatus, len(apps))
	for _, a := range apps {
		all[a.ID] = a.Decisions()
	}
	writeJSON(w, all)
}

// find returns the app that a request names. When there is none, it answers the
// request and returns nil.
func (c Config) find(w http.ResponseWriter, r *http.Request) *backend.App {
	name := r.URL.Query().Get("app")
	if id, err := scaler.ParseAppID(name); err == nil {
		if a := c.Apps.Find(id); a != nil {
			return a
		}
	}
	http.Error(w, fmt.Sprintf("there is no app %q", name), http.StatusNotFound)
	return nil
}

func (c Config) servePeers(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, c.Cluster.Statuses())
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
