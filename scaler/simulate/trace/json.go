package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// ParseJSON reads a trace that is a list of objects. Each has a time and the
// same one of requests_per_minute, concurrency and load. The time is written as
// in CSV, as a string or a number. A load of null is not known.
func ParseJSON(text []byte) (Trace, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var entries []map[string]any
	if err := decodeAll(decoder, &entries); err != nil {
		return Trace{}, fmt.Errorf("a list of objects with a time and %s: %w", allowedMetrics, err)
	}
	var name string
	points := make([]scaler.Sample, len(entries))
	for i, entry := range entries {
		if i == 0 {
			name = loadKey(entry)
		}
		point, err := readEntry(entry, name)
		if err != nil {
			return Trace{}, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if i > 0 && !point.Time.After(points[i-1].Time) {
			return Trace{}, fmt.Errorf("entry %d: %w", i+1, invalid("time", fmt.Sprint(entry["time"]), "after the one before it"))
		}
		points[i] = point
	}
	return newTrace(metrics[name], points)
}

// loadKey is the key of the load in an entry; "" when there is none.
func loadKey(entry map[string]any) string {
	for name := range metrics {
		if _, ok := entry[name]; ok {
			return name
		}
	}
	return ""
}

func readEntry(entry map[string]any, name string) (scaler.Sample, error) {
	for key, value := range entry {
		if key != "time" && key != name {
			allowed := "removed: an entry has a time and " + name
			if name == "" {
				allowed = "time, " + allowedMetrics
			}
			return scaler.Sample{}, invalid(key, fmt.Sprint(value), allowed)
		}
	}
	at, given := entry["time"]
	if !given {
		return scaler.Sample{}, invalid("time", "", allowedTime)
	}
	moment, err := ParseTime(fmt.Sprint(at))
	if err != nil {
		return scaler.Sample{}, err
	}
	switch value := entry[name].(type) {
	case nil:
		if _, given := entry[name]; given {
			return scaler.Sample{Time: moment, Value: math.NaN()}, nil
		}
	case json.Number:
		if load, ok := parseLoad(value.String()); ok {
			return scaler.Sample{Time: moment, Value: load}, nil
		}
		return scaler.Sample{}, invalid(name, value.String(), allowedNumber)
	default:
		return scaler.Sample{}, invalid(name, fmt.Sprint(value), allowedNumber)
	}
	if name == "" {
		name = anyMetric
	}
	return scaler.Sample{}, invalid(name, "", "given: "+allowedNumber)
}

const allowedNumber = "a number from 0 to 1e15, or null where the load is not known"

// decodeAll reads one value and refuses anything after it.
func decodeAll(decoder *json.Decoder, into any) error {
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("there is more text after the end, at byte %d", decoder.InputOffset())
	}
	return nil
}
