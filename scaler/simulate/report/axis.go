package report

import (
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// countAxis draws the counts on the left and, on the right, the load that so many
// instances carry at the target.
func (p *panel) countAxis() {
	step := max(1, niceStep(p.top/6))
	for n := 0.0; n <= p.top; n += step {
		y := int(math.Round(p.yAt(n)))
		fmt.Fprintf(p.b, `<path d="M%d %dh%d" stroke="%s"/>`+"\n", plotLeft, y, plotWidth, gridColour)
		label(p.b, plotLeft-10, y+5, `text-anchor="end"`, number(n))
		label(p.b, plotRight+10, y+5, faint, number(n*p.Result.Policy.Target))
	}
	middle := p.y + panelHead + plotHeight/2
	left := fmt.Sprintf(`text-anchor="middle" transform="translate(24 %d) rotate(-90)"`, middle)
	right := fmt.Sprintf(`text-anchor="middle" %s transform="translate(%d %d) rotate(90)"`, faint, chartWidth-22, middle)
	label(p.b, 0, 0, left, "instances")
	label(p.b, 0, 0, right, loadNames[p.Result.Policy.Metric])
}

var loadNames = map[scaler.Metric]string{
	scaler.RequestsPerMinute: "load, requests a minute",
	scaler.Concurrency:       "load, requests at a time",
	scaler.Custom:            "load",
}

func (p *panel) timeAxis() {
	ticks, name := timeTicks(p.Result.Start, p.Result.End)
	bottom := p.y + panelHead + plotHeight
	for _, tick := range ticks {
		x := int(math.Round(p.xAt(tick.at)))
		fmt.Fprintf(p.b, `<path d="M%d %dv5" stroke="%s"/>`+"\n", x, bottom, faintColour)
		label(p.b, x, bottom+21, `text-anchor="middle"`, tick.label)
	}
	label(p.b, plotLeft+plotWidth/2, bottom+42, `text-anchor="middle" `+faint, name)
}

// niceStep is the lowest number that is at least the given one and is 1, 2 or 5
// times a power of ten.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least {
			return n * power
		}
	}
	return 10 * power
}

// tick is a label on the time axis.
type tick struct {
	at    time.Time
	label string
}

const day = 24 * time.Hour

// tickSteps are the distances between ticks that are easy to read.
var tickSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 30 * day, 60 * day, 180 * day, 360 * day, 1800 * day, 3600 * day,
}

// tickStep is the shortest of tickSteps that divides a time into at most so many
// parts.
func tickStep(length time.Duration, parts time.Duration) time.Duration {
	for _, step := range tickSteps {
		if (length+step-1)/step <= parts {
			return step
		}
	}
	return tickSteps[len(tickSteps)-1]
}

// floor is the last multiple of a step at or before a time. Multiples count from
// the start of a trace without a date; otherwise, weeks begin on a Monday.
func floor(at time.Time, step time.Duration) time.Time {
	if trace.Undated(at) {
		return time.Unix(0, 0).UTC().Add(at.Sub(time.Unix(0, 0)).Truncate(step))
	}
	return at.UTC().Truncate(step)
}

// maxTicks is the most labels that fit.
const maxTicks = 12

// timeTicks are the labels of a time, and what they are counted in.
func timeTicks(start, end time.Time) (ticks []tick, name string) {
	step := tickStep(end.Sub(start), maxTicks)
	next := func(at time.Time) time.Time { return at.Add(step) }
	at := floor(start, step)
	if step >= 30*day && !trace.Undated(start) {
		months := int(step / (30 * day))
		next = func(at time.Time) time.Time { return at.AddDate(0, months, 0) }
		at = time.Date(start.UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	format, name := tickFormat(start, end, step)
	for ; !at.After(end); at = next(at) {
		if !at.Before(start) {
			ticks = append(ticks, tick{at, format(at)})
		}
	}
	return ticks, name
}

func tickFormat(start, end time.Time, step time.Duration) (format func(time.Time) string, name string) {
	layout := func(layout string) func(time.Time) string {
		return func(at time.Time) string { return at.UTC().Format(layout) }
	}
	from, to := start.UTC(), end.Add(-1).UTC()
	oneDay := from.Truncate(day).Equal(to.Truncate(day))
	years := from.Format("2006")
	if to.Year() != from.Year() {
		years += " to " + to.Format("2006")
	}
	switch {
	case trace.Undated(start) && step >= day:
		return func(at time.Time) string { return fmt.Sprint(int(at.Sub(time.Unix(0, 0)) / day)) }, "days from the start"
	case trace.Undated(start):
		return func(at time.Time) string { return scaler.FormatDuration(at.Sub(time.Unix(0, 0))) }, "time from the start"
	case step >= 30*day:
		return layout("Jan 2006"), "UTC"
	case step >= day:
		return layout("2 Jan"), years + ", UTC"
	case oneDay && step < time.Minute:
		return layout("15:04:05"), from.Format("2 January 2006") + ", UTC"
	case oneDay:
		return layout("15:04"), from.Format("2 January 2006") + ", UTC"
	default:
		return layout("2 Jan 15:04"), years + ", UTC"
	}
}
