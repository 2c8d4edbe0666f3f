// Package trace reads the load of an app over time: from CSV, from JSON, from an
// answer of Prometheus, or generated from a shape such as "sine:20..900/24h".
package trace

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
	// Linear interpolates the load between two points; otherwise each point
	// holds until the next.
	Linear bool
}

// MaxLength is the longest trace that [Trace.Check] accepts.
const MaxLength = 100 * 365 * 24 * time.Hour

// newTrace makes a trace of points in order. The last point lasts as long as the
// one before it.
func newTrace(metric scaler.Metric, points []scaler.Sample) (Trace, error) {
	if len(points) < 2 {
		return Trace{}, fmt.Errorf("the trace must have at least 2 points, and it has %d", len(points))
	}
	last, before := points[len(points)-1].Time, points[len(points)-2].Time
	t := Trace{Metric: metric, Points: points, End: last.Add(last.Sub(before))}
	return t, t.Check()
}

// Check reports what makes the trace impossible to replay.
func (t Trace) Check() error {
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
	if t.End.Sub(t.Start()) > MaxLength {
		return errors.New("the trace is longer than 100 years")
	}
	return nil
}

// Start is when the trace begins.
func (t Trace) Start() time.Time { return t.Points[0].Time }

// Load is the load at a time that lies between the point with index i and the
// next one.
func (t *Trace) Load(i int, at time.Time) float64 {
	point := t.Points[i]
	if !t.Linear || i+1 == len(t.Points) || at.Equal(point.Time) {
		return point.Value
	}
	next := t.Points[i+1]
	part := float64(at.Sub(point.Time)) / float64(next.Time.Sub(point.Time))
	return point.Value + part*(next.Value-point.Value)
}

// Peaks is the highest known load between each two successive bounds; NaN where
// the load is not known.
func (t *Trace) Peaks(bounds []time.Time) []float64 {
	peaks := make([]float64, len(bounds)-1)
	i := t.index(bounds[0])
	for n := range peaks {
		begin, end := bounds[n], bounds[n+1]
		for i+1 < len(t.Points) && !t.Points[i+1].Time.After(begin) {
			i++
		}
		peaks[n] = t.Load(i, begin)
		for i+1 < len(t.Points) && t.Points[i+1].Time.Before(end) {
			i++
			if load := t.Points[i].Value; !(load <= peaks[n]) && !math.IsNaN(load) {
				peaks[n] = load
			}
		}
	}
	return peaks
}

// index is the index of the last point at or before a time, or 0.
func (t *Trace) index(at time.Time) int {
	i, found := slices.BinarySearchFunc(t.Points, at, func(point scaler.Sample, at time.Time) int {
		return point.Time.Compare(at)
	})
	if found {
		return i
	}
	return max(i-1, 0)
}

// invalid is an error that names what was read, its value and what is allowed.
func invalid(key, value, allowed string) error {
	return &scaler.ValueError{Key: key, Value: value, Allowed: allowed}
}
