package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// The layout of a chart, in pixels.
const (
	chartWidth  = 1200
	headHeight  = 124
	panelHeight = 380
	panelHead   = 48 // the part of panelHeight above the plot
	axisHeight  = 52 // the part of panelHeight below the plot
	plotLeft    = 76
	plotRight   = chartWidth - 96
	plotWidth   = plotRight - plotLeft
	plotHeight  = panelHeight - panelHead - axisHeight

	// maxDrawn is the most actions that a chart draws one by one.
	maxDrawn = 400
)

// The colours differ for every kind of colour vision, and in grey.
const (
	inkColour   = "#1f2933"
	faintColour = "#52606d"
	gridColour  = "#e4e7eb"
	loadColour  = "#9fb3c8"
	countColour = "#0b4f9e"
	readyColour = "#3aa0e8"
	upColour    = "#c2410c"
	downColour  = "#047857"

	fonts = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

	faint = `fill="` + faintColour + `"`

	loadStyle   = `fill="` + loadColour + `" fill-opacity="0.55" stroke="` + loadColour + `"`
	spreadStyle = `fill="` + readyColour + `" fill-opacity="0.35" stroke="none"`
)

// Chart draws one or two trials of a trace as SVG: the count as a step line, and
// the load behind it. The axis of the load is that of the count times the target,
// so the load is above the count exactly where it exceeds what the instances carry.
// If there are too many actions to distinguish, the chart divides the time into
// parts and draws the mean and the bounds of each.
//
// A title or subtitle that is too long is truncated.
func Chart(title, subtitle string, t trace.Trace, trials ...Trial) string {
	var b strings.Builder
	height := headHeight + panelHeight*len(trials)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img"`+
		` font-family="%s" font-size="14" fill="%s">`+"\n",
		chartWidth, height, chartWidth, height, fonts, inkColour)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	label(&b, plotLeft, 36, `font-size="20" font-weight="600"`, truncate(title, 85))
	label(&b, plotLeft, 60, faint, truncate(subtitle, 130))
	summarised := slices.ContainsFunc(trials, func(t Trial) bool { return len(t.Result.Actions) > maxDrawn })
	if summarised {
		legend(&b, plotLeft, 92, summaryLegend)
	} else {
		legend(&b, plotLeft, 92, fullLegend)
	}
	top := topCount(trials)
	for i, trial := range trials {
		p := panel{b: &b, trace: t, Trial: trial, top: top, y: headHeight + i*panelHeight, id: i}
		p.draw(summarised)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// topCount is the upper end of the axis of the counts. It is above the peak counts
// of all trials and, unless it is far above those, above their peak load.
func topCount(trials []Trial) float64 {
	top := 1.0
	for _, t := range trials {
		top = max(top, float64(t.Result.PeakCount))
	}
	demand := 0.0
	for _, t := range trials {
		demand = max(demand, t.Result.PeakLoad/t.Result.Policy.Target)
	}
	return 1.08 * max(top, min(demand, 2.5*top))
}

// legendEntry explains one mark of the chart.
type legendEntry struct {
	name, mark string // the mark is SVG at 0, 0 and 26 wide
	width      int
}

var (
	fullLegend = []legendEntry{
		{"load", box(loadStyle), 85},
		{"instances desired", line(countColour, 2.5, ""), 180},
		{"instances ready", line(readyColour, 2, ""), 165},
		{"scales up above (scale_up_threshold)", line(upColour, 1.5, "6 4"), 315},
		{"scales down below (scale_down_threshold)", line(downColour, 1.5, "2 4"), 345},
	}
	summaryLegend = []legendEntry{
		{"load, peak", box(loadStyle), 120},
		{"instances desired, lowest to highest", box(spreadStyle), 310},
		{"instances desired, mean", line(countColour, 2.5, ""), 250},
	}
)

func legend(b *strings.Builder, x, y int, entries []legendEntry) {
	for _, e := range entries {
		fmt.Fprintf(b, `<g transform="translate(%d %d)">%s</g>`+"\n", x, y, e.mark)
		label(b, x+34, y+5, "", e.name)
		x += e.width
	}
}

func line(colour string, width float64, dashes string) string {
	return fmt.Sprintf(`<path d="M0 0h26" stroke="%s" stroke-width="%g" stroke-dasharray="%s" fill="none"/>`, colour, width, dashes)
}

func box(style string) string { return `<path d="M0 -7h26v14h-26Z" ` + style + `/>` }

// truncate keeps at most so many characters of a text.
func truncate(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func label(b *strings.Builder, x, y int, attributes, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(text))
}

// panel is the plot of one trial.
type panel struct {
	Trial
	b     *strings.Builder
	trace trace.Trace
	top   float64 // the count at the upper edge
	y     int     // the upper edge of the panel
	id    int
}

func (p *panel) draw(summarised bool) {
	r := p.Result
	label(p.b, plotLeft, p.y+18, `font-size="16" font-weight="600"`, truncate(p.Name, 100))
	label(p.b, plotLeft, p.y+38, faint, summary(r))
	fmt.Fprintf(p.b, `<clipPath id="plot%d"><rect x="%d" y="%d" width="%d" height="%d"/></clipPath>`+"\n",
		p.id, plotLeft, p.y+panelHead, plotWidth, plotHeight)
	p.countAxis()
	p.timeAxis()
	fmt.Fprintf(p.b, `<g clip-path="url(#plot%d)" fill="none" stroke-linejoin="round">`+"\n", p.id)
	if summarised {
		p.drawSummary()
	} else {
		p.drawLoad(pixels(r))
		p.drawSteps(downColour, 1.5, "2 4", p.threshold(r.Policy.ScaleDownThreshold))
		p.drawSteps(upColour, 1.5, "6 4", p.threshold(r.Policy.ScaleUpThreshold))
		p.drawSteps(readyColour, 2, "", func(c simulate.Count) float64 { return float64(c.Ready) })
		p.drawSteps(countColour, 2.5, "", func(c simulate.Count) float64 { return float64(c.Desired) })
	}
	p.b.WriteString("</g>\n")
	fmt.Fprintf(p.b, `<path d="M%d %dh%d" stroke="%s"/>`+"\n", plotLeft, p.y+panelHead+plotHeight, plotWidth, faintColour)
	if demand := r.PeakLoad / r.Policy.Target; demand > p.top {
		label(p.b, plotRight-8, p.y+panelHead+18, fmt.Sprintf(`text-anchor="end" fill="%s"`, upColour), "the load peaks at "+number(r.PeakLoad))
	}
}

func summary(r simulate.Result) string {
	words := fmt.Sprintf("%s instances on average, at most %d", number(r.MeanCount), r.PeakCount)
	if r.Cost > 0 {
		words += ", cost " + number(r.Cost)
	}
	words += fmt.Sprintf("; utilisation %s; above the target for %s",
		percent(r.MeanUtilisation), timePart(r.AboveTarget.Seconds(), r.Length()))
	switch {
	case r.ColdStarts == 1:
		words += "; 1 cold start"
	case r.ColdStarts > 1:
		words += fmt.Sprintf("; %d cold starts", r.ColdStarts)
	}
	return words
}

// threshold is the load at which the utilisation is fraction, in instances. An app
// without instances has no threshold: any load wakes it.
func (p *panel) threshold(fraction float64) func(simulate.Count) float64 {
	return func(c simulate.Count) float64 {
		if c.Desired == 0 {
			return math.NaN()
		}
		return fraction * float64(max(c.Desired-p.Result.Policy.BufferInstances, 1))
	}
}

// xAt is the horizontal position of a time.
func (p *panel) xAt(at time.Time) float64 {
	return plotLeft + plotWidth*float64(at.Sub(p.Result.Start))/float64(p.Result.Length())
}

// yAt is the vertical position of a count.
func (p *panel) yAt(count float64) float64 {
	return float64(p.y+panelHead) + plotHeight*(1-count/p.top)
}
