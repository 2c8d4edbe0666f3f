package gateway

import (
	"net/http"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

func (g *Gateway) servePeer(w http.ResponseWriter, _ *http.Request) {
	now := g.now()
	report := api.PeerReport{Gateway: g.config.ID, Process: g.process, Ending: g.ending.Load(), Apps: make(map[scaler.AppID]api.PeerLoad)}
	for _, a := range g.apps.all() {
		if l, idle := a.peerLoad(now); !idle {
			report.Apps[a.id] = l
		}
	}
	writeJSON(w, report)
}

// peerLoad is what other gateways are told of the app.
func (a *app) peerLoad(now time.Time) (l api.PeerLoad, idle bool) {
	s := a.meter.Snapshot(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	l = api.PeerLoad{RequestsPerMinute: s.RequestsPerMinute, Concurrency: s.Concurrency, Arrivals: a.arrivals}
	for _, i := range a.instances {
		switch n := i.slot.InFlight(); {
		case n > 0:
			if l.InFlight == nil {
				l.InFlight = make(map[string]int)
			}
			l.InFlight[i.ID] = n
		case i.state == api.Draining:
			l.Drained = append(l.Drained, i.ID)
		}
	}
	return l, s.RequestsPerMinute == 0 && l.Arrivals == 0 && l.InFlight == nil && l.Drained == nil
}
