// Package simulate tries a policy on a load before it is applied.
//
// A [Trace] says what the load was, or might be; [Run] replays it through the
// decision function that the strategy plugin and the gateway call, and its
// [Result] says how many instances there would have been and why, how full they
// were and what they cost. Nothing here does I/O or reads a clock.
package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Trace is the load of an app over time.
//
// A trace that begins in 1970 has no date: its times count from its own start,
// the Unix epoch.
type Trace struct {
	// Metric is what the load is measured in; "" means the policy's metric.
	Metric scaler.Metric
	// Points are the load at moments, each later than the one before it. A
	// value that is not a number means that the load is not known.
	Points []scaler.Sample
	// End is when the load of the last point ends.
	End time.Time
	// Linear makes the load run straight from point to point; otherwise each
	// holds until the next.
	Linear bool
}

// Start is when the trace begins.
func (t Trace) Start() time.Time { return t.Points[0].Time }

// FormatTime writes a time as the trace counts it: the time since its start, or
// RFC 3339.
func (t Trace) FormatTime(at time.Time) string { return formatTime(at, undated(t.Start())) }

// What is beyond these is no load, and no trace, so that sums stay finite.
const (
	maxLoad   = 1e15
	maxLength = 100 * 365 * 24 * time.Hour
)

// newTrace makes a trace of points in order, the last of which lasts as long as
// the one before it.
func newTrace(metric scaler.Metric, points []scaler.Sample) (Trace, error) {
	if len(points) < 2 {
		return Trace{}, fmt.Errorf("the trace has %d points of time: it must have at least 2", len(points))
	}
	last, before := points[len(points)-1].Time, points[len(points)-2].Time
	t := Trace{Metric: metric, Points: points, End: last.Add(last.Sub(before))}
	return t, t.check()
}

// check reports what would lead a simulation astray.
func (t Trace) check() error {
	if len(t.Points) == 0 {
		return errors.New("the trace has no points")
	}
	for i, point := range t.Points[1:] {
		if !point.Time.After(t.Points[i].Time) {
			return fmt.Errorf("time = %q: must be after %s, the one before it", t.FormatTime(point.Time), t.FormatTime(t.Points[i].Time))
		}
	}
	last := t.Points[len(t.Points)-1].Time
	if !t.End.After(last) {
		return fmt.Errorf("end = %q: must be after %s, the last point", t.FormatTime(t.End), t.FormatTime(last))
	}
	if t.End.Sub(t.Start()) > maxLength {
		return errors.New("the trace is longer than 100 years")
	}
	return nil
}

// ParseTrace reads a trace in any of its formats: an object is the answer of
// Prometheus, a list is JSON, and everything else is CSV.
func ParseTrace(text []byte) (Trace, error) {
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

// metrics are the names that a load has in a trace. A load by the name of
// anyMetric is in the policy's.
var metrics = map[string]scaler.Metric{
	string(scaler.RequestsPerMinute): scaler.RequestsPerMinute,
	string(scaler.Concurrency):       scaler.Concurrency,
	anyMetric:                        "",
}

const (
	anyMetric      = "load"
	allowedMetrics = "requests_per_minute, concurrency or load"
	allowedLoad    = "a number from 0 to 1e15, or nothing where the load is not known"
	allowedTime    = "a time as in RFC 3339, a number of Unix seconds or a duration such as 90s"
)

// ParseTime reads a time: RFC 3339, Unix seconds or a duration from the start of
// a trace that has no date.
func ParseTime(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil && inRange(at) {
		return at.UTC(), nil
	}
	if since, ok := scaler.ParseDuration(text); ok && inRange(time.Unix(0, 0).Add(since)) {
		return time.Unix(0, 0).UTC().Add(since), nil
	}
	return time.Time{}, wrong("time", text, allowedTime)
}

// Moment reads a time of the trace, or a duration from its start; zero for none.
func (t Trace) Moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if since, err := time.ParseDuration(text); err == nil {
		return t.Start().Add(since), nil
	}
	return ParseTime(text)
}

// inRange keeps to the times whose distances a duration can hold.
func inRange(at time.Time) bool {
	year := at.UTC().Year()
	return year >= 1970 && year <= 2200
}

// unixTime is Unix seconds with a fraction, to the millisecond.
func unixTime(seconds float64) (time.Time, bool) {
	if !(seconds >= 0 && seconds <= 1e10) {
		return time.Time{}, false
	}
	at := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return at, inRange(at)
}

// parseLoad reads a load; an empty one and NaN are not known.
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

func formatTime(at time.Time, undated bool) string {
	if undated {
		return scaler.FormatDuration(at.Sub(time.Unix(0, 0)))
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// undated tells whether a trace that begins then counts from its own start.
func undated(start time.Time) bool { return start.UTC().Year() == 1970 }

// wrong is an error that names what was read, its value and what is allowed.
func wrong(key, value, allowed string) error {
	return &scaler.ValueError{Key: key, Value: value, Allowed: allowed}
}

// at is the load at a time not before the point of that index nor after the
// next.
func (t *Trace) at(i int, now time.Time) float64 {
	point := t.Points[i]
	if !t.Linear || i+1 == len(t.Points) || now.Equal(point.Time) {
		return point.Value
	}
	next := t.Points[i+1]
	part := float64(now.Sub(point.Time)) / float64(next.Time.Sub(point.Time))
	return point.Value + part*(next.Value-point.Value)
}

// index is the point whose load holds at a time, or from which it leads on.
func (t Trace) index(now time.Time) int {
	i, found := slices.BinarySearchFunc(t.Points, now, func(point scaler.Sample, at time.Time) int {
		return point.Time.Compare(at)
	})
	if found {
		return i
	}
	return max(i-1, 0)
}
