package trace

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

const allowedTime = "a time as in RFC 3339, a number of Unix seconds or a duration such as 90s"

// ParseTime reads a time: RFC 3339, Unix seconds or a duration from the start of
// a trace that has no date.
func ParseTime(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil && inRange(at) {
		return at.UTC(), nil
	}
	if since, ok := scaler.ParseDuration(text); ok && inRange(time.Unix(0, 0).Add(since)) {
		return time.Unix(0, 0).UTC().Add(since), nil
	}
	return time.Time{}, invalid("time", text, allowedTime)
}

// Moment reads a time of the trace, or a duration from its start. An empty text
// is the zero time.
func (t Trace) Moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if since, err := time.ParseDuration(text); err == nil {
		return t.Start().Add(since), nil
	}
	return ParseTime(text)
}

// inRange reports whether a duration can hold the distance of the time from any
// other that is in range.
func inRange(at time.Time) bool {
	year := at.UTC().Year()
	return year >= 1970 && year <= 2200
}

// unixTime is the time of Unix seconds with a fraction, rounded to a millisecond.
func unixTime(seconds float64) (time.Time, bool) {
	if !(seconds >= 0 && seconds <= 1e10) {
		return time.Time{}, false
	}
	at := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return at, inRange(at)
}

// FormatTime writes a time as the trace counts it.
func (t Trace) FormatTime(at time.Time) string { return FormatTime(t.Start(), at) }

// FormatTime writes a time of a trace that begins at start: the time since then
// if the trace has no date, and RFC 3339 otherwise.
func FormatTime(start, at time.Time) string {
	if Undated(start) {
		return scaler.FormatDuration(at.Sub(time.Unix(0, 0)))
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// Undated reports whether a trace that begins at start has no date.
func Undated(start time.Time) bool { return start.UTC().Year() == 1970 }
