package api

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// LoadReport is what /v1/load answers: the load of every app at one gateway, or
// with ?app= of that app. With &metric= and &window=, a duration, it is the load
// in that metric over the window.
type LoadReport struct {
	// Gateway is the ID of the gateway.
	Gateway string `json:"gateway"`
	// Now is its clock.
	Now  time.Time                      `json:"now"`
	Apps map[scaler.AppID]load.Snapshot `json:"apps"`
	// Series is there with ?app=, &metric= and &window=.
	Series load.Series `json:"series,omitempty"`
	// Shared is there with &metric= and &window= for each app, in the place of
	// Apps.
	Shared []SharedSeries `json:"shared,omitempty"`
}

// SharedSeries is the load over time of apps whose load is the same, as that of
// all idle ones is.
type SharedSeries struct {
	Apps   []scaler.AppID `json:"apps"`
	Series load.Series    `json:"series"`
}

// TotalLoad is the load of an app at a moment, at all gateways together.
type TotalLoad struct{ RequestsPerMinute, Concurrency int }

// In is the load in a metric; false in one that gateways do not measure.
func (l TotalLoad) In(metric scaler.Metric) (float64, bool) {
	return load.Snapshot{RequestsPerMinute: l.RequestsPerMinute, Concurrency: l.Concurrency}.In(metric)
}
