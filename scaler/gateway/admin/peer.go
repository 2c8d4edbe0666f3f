package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// servePeer tells another gateway this one's load.
func (c Config) servePeer(w http.ResponseWriter, _ *http.Request) {
	report := api.PeerReport{Gateway: c.Gateway, Process: c.Process, Ending: c.Ending(), Apps: make(map[scaler.AppID]api.PeerLoad)}
	for _, a := range c.Apps.All() {
		if l, idle := a.PeerLoad(); !idle {
			report.Apps[a.ID] = l
		}
	}
	writeJSON(w, report)
}

// maxPermitReport bounds the body of a permit report, in bytes.
const maxPermitReport = 16 << 20

// servePermits hears which permits another gateway requests, and answers with what
// is left to this one.
func (c Config) servePermits(w http.ResponseWriter, r *http.Request) {
	var report api.PermitReport
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPermitReport)).Decode(&report); err != nil {
		http.Error(w, fmt.Sprintf("reading the permits: %v", err), http.StatusBadRequest)
		return
	}
	c.Clock.Observe(report.Number)
	a := c.Apps.Find(report.App)
	if a == nil {
		// Without the app this gateway has none of its permits.
		writeJSON(w, api.PermitReport{Process: c.Process, App: report.App, Number: c.Clock.Next()})
		return
	}
	writeJSON(w, a.AnswerPermits(report))
}
