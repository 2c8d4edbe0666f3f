package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

// figure writes a figure of a result that covers length. A time is followed by its
// part of the length.
func figure(f simulate.Figure, length time.Duration) string {
	switch f.Unit {
	case simulate.Whole:
		return strconv.FormatFloat(f.Value, 'f', 0, 64)
	case simulate.Fraction:
		return percent(f.Value)
	case simulate.Seconds:
		return timePart(f.Value, length)
	default:
		return number(f.Value)
	}
}

// difference writes how far a figure is from the same figure of another result.
func difference(from, to simulate.Figure) string {
	d := to.Value - from.Value
	switch {
	case d == 0:
		return "="
	case from.Unit == simulate.Whole:
		return fmt.Sprintf("%+.0f", d)
	case from.Unit == simulate.Fraction:
		return fmt.Sprintf("%+.1f points", 100*d)
	case from.Unit == simulate.Seconds:
		return sign(d) + duration(math.Abs(d))
	case from.Value == 0:
		return sign(d) + number(math.Abs(d))
	default:
		return fmt.Sprintf("%+.1f %%", 100*d/from.Value)
	}
}

func sign(d float64) string {
	if d < 0 {
		return "-"
	}
	return "+"
}

// number keeps four significant digits of a number below a thousand.
func number(n float64) string {
	if digits := 3 - int(math.Floor(math.Log10(max(n, 1e-12)))); n > 0 && digits > 0 {
		scale := math.Pow10(digits)
		return strconv.FormatFloat(math.Round(n*scale)/scale, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

func percent(fraction float64) string { return fmt.Sprintf("%.1f %%", 100*fraction) }

// timePart writes seconds, and what fraction of a length they are.
func timePart(seconds float64, length time.Duration) string {
	return fmt.Sprintf("%s (%s)", duration(seconds), percent(seconds/length.Seconds()))
}

// duration writes seconds, rounded to a second from 10 s on.
func duration(seconds float64) string {
	unit := time.Second
	if seconds < 10 {
		unit = time.Millisecond
	}
	return scaler.FormatDuration(time.Duration(seconds * float64(time.Second)).Round(unit))
}
