package nomadplugin

import (
	"time"

	"github.com/hashicorp/nomad-autoscaler/sdk"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

const (
	// completeSpan is how far back from its end a series keeps every sample.
	completeSpan = time.Minute
	// thinnedGap is the widest gap between older samples of an idle time. It is
	// narrow enough to show that the app was watched.
	thinnedGap = scaler.MaxGap / 2
)

// thinnedMetrics converts a series for the agent and leaves out samples that do not
// affect a decision. Each sample passes through three processes, so fewer are cheaper.
func thinnedMetrics(series load.Series) sdk.TimestampedMetrics {
	var metrics sdk.TimestampedMetrics
	end := len(series) - 1
	for i, s := range series {
		idle := 0 < i && i < end && series[i-1].Value == 0 && s.Value == 0 && series[i+1].Value == 0
		if idle && series[end].Time.Sub(s.Time) > completeSpan && series[i+1].Time.Sub(metrics[len(metrics)-1].Timestamp) <= thinnedGap {
			continue
		}
		metrics = append(metrics, sdk.TimestampedMetric{Timestamp: s.Time, Value: s.Value})
	}
	return metrics
}

// samples converts the agent's metrics for a decision.
func samples(metrics sdk.TimestampedMetrics) []scaler.Sample {
	samples := make([]scaler.Sample, len(metrics))
	for i, m := range metrics {
		samples[i] = scaler.Sample{Time: m.Timestamp, Value: m.Value}
	}
	return samples
}
