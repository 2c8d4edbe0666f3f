package simulate

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Figure is one number of a result.
type Figure struct {
	// Key is its name in JSON, and Name the one for people.
	Key, Name string
	// Value is the number; times are in seconds.
	Value float64

	unit   unit
	length float64 // seconds of the whole result
}

// unit is what a figure counts, and so how people read it.
type unit int

const (
	quantity unit = iota
	whole
	fraction
	seconds
)

// Figures lists the numbers of a result, always the same in the same order.
func (r Result) Figures() []Figure {
	figures := []Figure{
		{Key: "mean_load", Name: "load, mean", Value: r.MeanLoad},
		{Key: "peak_load", Name: "load, peak", Value: r.PeakLoad},
		{Key: "mean_count", Name: "instances, mean", Value: r.MeanCount},
		{Key: "peak_count", Name: "instances, peak", Value: float64(r.PeakCount), unit: whole},
		{Key: "instance_seconds", Name: "instance-seconds", Value: r.InstanceSeconds},
		{Key: "cost", Name: "cost", Value: r.Cost},
		{Key: "mean_utilisation", Name: "utilisation, mean", Value: r.MeanUtilisation, unit: fraction},
		{Key: "peak_utilisation", Name: "utilisation, peak", Value: r.PeakUtilisation, unit: fraction},
		{Key: "seconds_above_threshold", Name: "time above scale_up_threshold", Value: r.AboveThreshold.Seconds(), unit: seconds},
		{Key: "seconds_above_target", Name: "time above the target", Value: r.AboveTarget.Seconds(), unit: seconds},
		{Key: "seconds_load_unknown", Name: "time without a known load", Value: r.LoadUnknown.Seconds(), unit: seconds},
		{Key: "cold_starts", Name: "cold starts", Value: float64(r.ColdStarts), unit: whole},
		{Key: "cold_seconds", Name: "time of waiting for a first instance", Value: r.ColdTime.Seconds(), unit: seconds},
		{Key: "cold_requests", Name: "requests that waited for it", Value: r.ColdRequests, unit: whole},
		{Key: "actions_up", Name: "actions up", Value: float64(r.Ups()), unit: whole},
		{Key: "actions_down", Name: "actions down", Value: float64(r.Downs()), unit: whole},
	}
	for i := range figures {
		figures[i].length = r.Length().Seconds()
	}
	return figures
}

// String writes the value with its unit, and a time with its part of the whole.
func (f Figure) String() string {
	switch f.unit {
	case whole:
		return strconv.FormatFloat(f.Value, 'f', 0, 64)
	case fraction:
		return percent(f.Value)
	case seconds:
		return fmt.Sprintf("%s (%s)", duration(f.Value), percent(f.Value/f.length))
	default:
		return number(f.Value)
	}
}

// Difference writes how far another value of the same figure is from this one.
func (f Figure) Difference(other Figure) string {
	d := other.Value - f.Value
	switch {
	case d == 0:
		return "="
	case f.unit == whole:
		return fmt.Sprintf("%+.0f", d)
	case f.unit == fraction:
		return fmt.Sprintf("%+.1f points", 100*d)
	case f.unit == seconds:
		return sign(d) + duration(math.Abs(d))
	case f.Value == 0:
		return sign(d) + number(math.Abs(d))
	default:
		return fmt.Sprintf("%+.1f %%", 100*d/f.Value)
	}
}

func sign(d float64) string {
	if d < 0 {
		return "-"
	}
	return "+"
}

// number keeps four digits of what is below a thousand.
func number(n float64) string {
	if digits := 3 - int(math.Floor(math.Log10(max(n, 1e-12)))); n > 0 && digits > 0 {
		scale := math.Pow10(digits)
		return strconv.FormatFloat(math.Round(n*scale)/scale, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

func percent(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) }

// duration writes seconds, to the second unless there are few.
func duration(seconds float64) string {
	unit := time.Second
	if seconds < 10 {
		unit = time.Millisecond
	}
	return scaler.FormatDuration(time.Duration(seconds * float64(time.Second)).Round(unit))
}
