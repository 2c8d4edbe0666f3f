package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// countAxis draws the counts to the left, and to the right the load that so many
// instances carry.
func (p *panel) countAxis() {
	step := max(1, niceStep(p.top/6))
	for n := 0.0; n <= p.top; n += step {
		y := int(math.Round(p.up(n)))
		fmt.Fprintf(p.b, `<path d="M%d %dh%d" stroke="%s"/>`+"\n", plotLeft, y, plotWidth, gridColour)
		label(p.b, plotLeft-10, y+5, `text-anchor="end"`, number(n))
		label(p.b, plotRight+10, y+5, faint, number(n*p.Result.Policy.Target))
	}
	middle := p.y + panelHead + plotHeight/2
	label(p.b, 0, 0, fmt.Sprintf(`text-anchor="middle" transform="translate(24 %d) rotate(-90)"`, middle), "instances")
	label(p.b, 0, 0, fmt.Sprintf(`text-anchor="middle" %s transform="translate(%d %d) rotate(90)"`, faint, chartWidth-22, middle), loadNames[p.Result.Policy.Metric])
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
		x := int(math.Round(p.across(tick.at)))
		fmt.Fprintf(p.b, `<path d="M%d %dv5" stroke="%s"/>`+"\n", x, bottom, faintColour)
		label(p.b, x, bottom+21, `text-anchor="middle"`, tick.label)
	}
	label(p.b, plotLeft+plotWidth/2, bottom+42, `text-anchor="middle" `+faint, name)
}

// niceStep is the least of 1, 2, 5, 10, 20, 50 and so on, and of their tenths,
// that is at least that much.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least {
			return n * power
		}
	}
	return 10 * power
}

// tick is a labelled place on the axis of time.
type tick struct {
	at    time.Time
	label string
}

const day = 24 * time.Hour

// tickSteps are the distances that people count time in.
var tickSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 30 * day, 60 * day, 180 * day, 360 * day, 1800 * day, 3600 * day,
}

// tickStep is the least of those that divides a time into at most so many parts.
func tickStep(length time.Duration, parts time.Duration) time.Duration {
	for _, step := range tickSteps {
		if (length+step-1)/step <= parts {
			return step
		}
	}
	return tickSteps[len(tickSteps)-1]
}

// floor is the last multiple of a step before a time: since the start of a trace
// without a date, and otherwise such that weeks begin on a Monday.
func floor(at time.Time, step time.Duration) time.Time {
	if undated(at) {
		return time.Unix(0, 0).UTC().Add(at.Sub(time.Unix(0, 0)).Truncate(step))
	}
	return at.UTC().Truncate(step)
}

// maxTicks is how many labels there is room for.
const maxTicks = 12

// timeTicks divides a time into a few round parts and says what they are in.
func timeTicks(start, end time.Time) (ticks []tick, name string) {
	step := tickStep(end.Sub(start), maxTicks)
	next := func(at time.Time) time.Time { return at.Add(step) }
	at := floor(start, step)
	if step >= 30*day && !undated(start) {
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
	case undated(start) && step >= day:
		return func(at time.Time) string { return fmt.Sprint(int(at.Sub(time.Unix(0, 0)) / day)) }, "days from the start"
	case undated(start):
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
