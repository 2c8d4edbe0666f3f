package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

func (c Config) serveLoad(w http.ResponseWriter, r *http.Request) {
	report := api.LoadReport{Gateway: c.Gateway, Now: c.Now(), Apps: make(map[scaler.AppID]load.Snapshot)}
	query := r.URL.Query()
	metric := scaler.Metric(query.Get("metric"))
	window, ok := scaler.ParseDuration(query.Get("window"))
	if query.Has("metric") && (!ok || window < 0 || (metric != scaler.RequestsPerMinute && metric != scaler.Concurrency)) {
		http.Error(w, "metric must be requests_per_minute or concurrency, and window a duration", http.StatusBadRequest)
		return
	}
	switch {
	case query.Has("app"):
		a := c.find(w, r)
		if a == nil {
			return
		}
		report.Apps[a.ID] = a.Load()
		if query.Has("metric") {
			report.Series = a.Series(metric, window)
		}
	case query.Has("metric"):
		report.Shared = sharedSeries(c.Apps.All(), metric, window)
	default:
		for _, a := range c.Apps.All() {
			report.Apps[a.ID] = a.Load()
		}
	}
	writeJSON(w, report)
}

// sharedSeries is the load of all apps over the window, or over as much of it as
// their policies need. Those whose load has not changed share one series.
func sharedSeries(all []*backend.App, metric scaler.Metric, window time.Duration) []api.SharedSeries {
	type constant struct{ first, last scaler.Sample }
	shared, known := make([]api.SharedSeries, 0), make(map[constant]int)
	for _, a := range all {
		s := a.NeededSeries(metric, window)
		key := constant{s[0], s[len(s)-1]}
		at, found := known[key]
		changed := slices.ContainsFunc(s, func(sample scaler.Sample) bool { return sample.Value != s[0].Value })
		if changed || !found {
			at = len(shared)
			shared = append(shared, api.SharedSeries{Series: s})
		}
		if !changed {
			known[key] = at
		}
		shared[at].Apps = append(shared[at].Apps, a.ID)
	}
	return shared
}
