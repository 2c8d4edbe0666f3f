package gateway

import (
	"net/http"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// count makes the request load of its app until it has ended, and lets the app
// grow if it is one too many for the instances there are.
func (g *Gateway) count(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		a := c.app
		a.meter.Begin(c.arrived)
		defer func() { a.meter.End(g.now()) }()
		a.mu.Lock()
		a.want(c.arrived)
		a.mu.Unlock()
		return next(w, r, c)
	}
}

// demand is the app's load at all gateways in the metric of its policy, and how
// many requests there are for a custom one. The caller holds the mutex.
func (a *app) demand(now time.Time) float64 {
	p := a.policy.Load()
	if p == nil {
		return 0
	}
	s := a.meter.Snapshot(now)
	s.RequestsPerMinute += a.elsewhere.requestsPerMinute
	s.Concurrency += a.elsewhere.concurrency
	n, _ := loadIn(p.Metric, s)
	return n
}

// loadIn is a load in a metric; known is false in one that gateways do not
// measure.
func loadIn(metric scaler.Metric, s load.Snapshot) (n float64, known bool) {
	switch metric {
	case scaler.RequestsPerMinute:
		return float64(s.RequestsPerMinute), true
	case scaler.Concurrency:
		return float64(s.Concurrency), true
	default:
		return float64(s.Concurrency), false
	}
}
