package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// adminHandler serves the admin listener. Health checks need no token.
func (g *Gateway) adminHandler() http.Handler {
	inside := http.NewServeMux()
	inside.HandleFunc("GET /v1/apps", g.serveApps)
	inside.HandleFunc("GET /v1/decisions", g.serveDecisions)
	inside.HandleFunc("GET /v1/load", g.serveLoad)
	inside.HandleFunc("GET /v1/peers", g.servePeers)
	inside.HandleFunc("GET /v1/peer", g.servePeer)
	inside.HandleFunc("POST /v1/peer/permits", g.serveSlots)
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
	report := api.LoadReport{Gateway: g.config.ID, Now: now, Apps: make(map[scaler.AppID]load.Snapshot)}
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
		report.Apps[a.id] = a.meter.Snapshot(now)
		if query.Has("metric") {
			report.Series = a.meter.Series(metric, now.Add(-window), now)
		}
	case query.Has("metric"):
		report.Shared = shareSeries(g.apps.all(), metric, window, now)
	default:
		for _, a := range g.apps.all() {
			report.Apps[a.id] = a.meter.Snapshot(now)
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
