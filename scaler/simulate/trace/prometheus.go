package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// rangeResult is what Prometheus answers to a range query.
type rangeResult struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Values [][]json.RawMessage `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// ParsePrometheus reads the answer of Prometheus to a range query
// (/api/v1/query_range). The load is in the policy's metric. Several series are
// added up where they have values, as Prometheus' own sum does. In a gap that is
// longer than the query's step the load is not known.
func ParsePrometheus(text []byte) (Trace, error) {
	var answer rangeResult
	if err := decodeAll(json.NewDecoder(bytes.NewReader(text)), &answer); err != nil {
		return Trace{}, fmt.Errorf("an answer of Prometheus: %w", err)
	}
	switch {
	case answer.Error != "":
		return Trace{}, fmt.Errorf("prometheus answered with an error: %s", answer.Error)
	case answer.Status != "success":
		return Trace{}, invalid("status", answer.Status, "success")
	case answer.Data.ResultType == "":
		return Trace{}, invalid("data.resultType", "", "matrix, as /api/v1/query_range answers")
	case answer.Data.ResultType != "matrix":
		return Trace{}, invalid("data.resultType", answer.Data.ResultType, "matrix, as /api/v1/query_range answers")
	case len(answer.Data.Result) == 0:
		return Trace{}, errors.New("the query has no result: it matches no series")
	}
	sum := make(map[time.Time]float64)
	for i, series := range answer.Data.Result {
		for j, value := range series.Values {
			sample, err := readValue(value)
			if err != nil {
				return Trace{}, fmt.Errorf("data.result[%d].values[%d]: %w", i, j, err)
			}
			sum[sample.Time] += sample.Value
		}
	}
	points := make([]scaler.Sample, 0, len(sum))
	for _, at := range slices.SortedFunc(maps.Keys(sum), time.Time.Compare) {
		points = append(points, scaler.Sample{Time: at, Value: sum[at]})
	}
	return newTrace("", markGaps(points))
}

// readValue reads a pair: Unix seconds, and a load as a string.
func readValue(pair []json.RawMessage) (scaler.Sample, error) {
	if len(pair) != 2 {
		return scaler.Sample{}, fmt.Errorf("it has %d elements: must be a time and a value", len(pair))
	}
	var seconds json.Number
	if err := json.Unmarshal(pair[0], &seconds); err != nil {
		return scaler.Sample{}, invalid("time", string(pair[0]), "a number of Unix seconds")
	}
	n, err := seconds.Float64()
	at, ok := unixTime(n)
	if err != nil || !ok {
		return scaler.Sample{}, invalid("time", seconds.String(), "a number of Unix seconds")
	}
	var text string
	if err := json.Unmarshal(pair[1], &text); err != nil || text == "" {
		return scaler.Sample{}, invalid("value", string(pair[1]), `a string with a number, such as "12.5"`)
	}
	if text == "+Inf" {
		return scaler.Sample{Time: at, Value: math.NaN()}, nil
	}
	load, ok := parseLoad(text)
	if !ok {
		return scaler.Sample{}, invalid("value", text, `a number from 0 to 1e15, "NaN" or "+Inf"`)
	}
	return scaler.Sample{Time: at, Value: load}, nil
}

// markGaps inserts an unknown load one step after each point whose successor is
// more than one and a half steps later. The step is the shortest distance between
// two points.
func markGaps(points []scaler.Sample) []scaler.Sample {
	step := time.Duration(math.MaxInt64)
	for i := range points[:max(len(points)-1, 0)] {
		step = min(step, points[i+1].Time.Sub(points[i].Time))
	}
	var marked []scaler.Sample
	for i, point := range points {
		if i > 0 && point.Time.Sub(points[i-1].Time) > step+step/2 {
			marked = append(marked, scaler.Sample{Time: points[i-1].Time.Add(step), Value: math.NaN()})
		}
		marked = append(marked, point)
	}
	return marked
}
