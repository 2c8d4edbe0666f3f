package gateway

import (
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// shareSeries is the load of all apps over the window, or over as much of it as
// their policies need. Those whose load has not changed share one series.
func shareSeries(all []*app, metric scaler.Metric, window time.Duration, now time.Time) []api.SharedSeries {
	type steady struct{ first, last scaler.Sample }
	shared, places := make([]api.SharedSeries, 0), make(map[steady]int)
	for _, a := range all {
		over := window
		if p := a.policy.Load(); p != nil {
			over = min(over, load.Retention(*p))
		}
		s := a.meter.Series(metric, now.Add(-over), now)
		key := steady{s[0], s[len(s)-1]}
		place, known := places[key]
		changed := slices.ContainsFunc(s, func(sample scaler.Sample) bool { return sample.Value != s[0].Value })
		if changed || !known {
			place = len(shared)
			shared = append(shared, api.SharedSeries{Series: s})
		}
		if !changed {
			places[key] = place
		}
		shared[place].Apps = append(shared[place].Apps, a.id)
	}
	return shared
}
