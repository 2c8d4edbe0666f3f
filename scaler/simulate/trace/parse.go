package trace

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Parse reads a trace in any of its formats: an object is an answer of
// Prometheus, a list is JSON, and everything else is CSV.
func Parse(text []byte) (Trace, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch start := bytes.TrimSpace(text); {
	case len(start) == 0:
		return Trace{}, errors.New("the trace is empty")
	case start[0] == '{':
		return ParsePrometheus(text)
	case start[0] == '[':
		return ParseJSON(text)
	default:
		return ParseCSV(text)
	}
}

// metrics are the names that a load has in CSV and JSON. A load with the name
// anyMetric is in the policy's metric.
var metrics = map[string]scaler.Metric{
	string(scaler.RequestsPerMinute): scaler.RequestsPerMinute,
	string(scaler.Concurrency):       scaler.Concurrency,
	anyMetric:                        "",
}

const (
	anyMetric      = "load"
	allowedMetrics = "requests_per_minute, concurrency or load"
)

// maxLoad keeps sums of loads finite.
const maxLoad = 1e15

// parseLoad reads a load. An empty text and NaN mean that it is not known.
func parseLoad(text string) (float64, bool) {
	if text == "" {
		return math.NaN(), true
	}
	load, err := strconv.ParseFloat(text, 64)
	if math.IsNaN(load) {
		return load, err == nil
	}
	return load, err == nil && load >= 0 && load <= maxLoad
}
