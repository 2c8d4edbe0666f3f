package simulate

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"
)

// The layout of a chart, in pixels.
const (
	chartWidth  = 1200
	headHeight  = 124
	panelHeight = 380
	panelHead   = 48 // of its height, above the plot
	axisHeight  = 52 // of its height, below the plot
	plotLeft    = 76
	plotRight   = chartWidth - 96
	plotWidth   = plotRight - plotLeft
	plotHeight  = panelHeight - panelHead - axisHeight

	// maxDrawn is how many actions are drawn one by one.
	maxDrawn = 400
)

// The colours can be told apart with any colour vision, and in grey.
const (
	inkColour   = "#1f2933"
	faintColour = "#52606d"
	gridColour  = "#e4e7eb"
	loadColour  = "#9fb3c8"
	countColour = "#0b4f9e"
	readyColour = "#3aa0e8"
	upColour    = "#c2410c"
	downColour  = "#047857"

	faint = `fill="` + faintColour + `"`

	loadStyle   = `fill="` + loadColour + `" fill-opacity="0.55" stroke="` + loadColour + `"`
	spreadStyle = `fill="` + readyColour + `" fill-opacity="0.35" stroke="none"`
)

// Chart draws one or two trials of a trace as SVG: the count as a step line, and
// behind it the load. The load's axis is the count's times the target, so that
// the load is above the count just where it is more than the instances carry.
// Where there are more actions than can be told apart, it draws parts of the time
// with the mean and the bounds of each.
//
// The title and the line below it are cut short where they are too long.
func Chart(title, below string, t Trace, trials ...Trial) string {
	var b strings.Builder
	height := headHeight + panelHeight*len(trials)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="14" fill="%s">`+"\n",
		chartWidth, height, chartWidth, height, inkColour)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	label(&b, plotLeft, 36, `font-size="20" font-weight="600"`, cut(title, 85))
	label(&b, plotLeft, 60, faint, cut(below, 130))
	summed := slices.ContainsFunc(trials, func(t Trial) bool { return len(t.Result.Actions) > maxDrawn })
	if summed {
		legend(&b, plotLeft, 92, summedKey)
	} else {
		legend(&b, plotLeft, 92, everyKey)
	}
	top := topCount(trials)
	for i, trial := range trials {
		p := panel{b: &b, trace: t, Trial: trial, top: top, y: headHeight + i*panelHeight, id: i}
		p.draw(summed)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// topCount is where the axis of the counts ends: above the peak of all trials,
// and of their load unless that is far out.
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

// key is an entry of the legend.
type key struct {
	name, mark string // the mark is at 0, 0 and 26 wide
	width      int
}

var (
	everyKey = []key{
		{"load", box(loadStyle), 90},
		{"instances asked for", line(countColour, 2.5, ""), 200},
		{"instances ready", line(readyColour, 2, ""), 170},
		{"grows above (scale_up_threshold)", line(upColour, 1.5, "6 4"), 290},
		{"shrinks below (scale_down_threshold)", line(downColour, 1.5, "2 4"), 310},
	}
	summedKey = []key{
		{"load, the most", box(loadStyle), 160},
		{"instances asked for, the fewest to the most", box(spreadStyle), 370},
		{"instances asked for, the mean", line(countColour, 2.5, ""), 250},
	}
)

func legend(b *strings.Builder, x, y int, keys []key) {
	for _, k := range keys {
		fmt.Fprintf(b, `<g transform="translate(%d %d)">%s</g>`+"\n", x, y, k.mark)
		label(b, x+34, y+5, "", k.name)
		x += k.width
	}
}

func line(colour string, width float64, dashes string) string {
	return fmt.Sprintf(`<path d="M0 0h26" stroke="%s" stroke-width="%g" stroke-dasharray="%s" fill="none"/>`, colour, width, dashes)
}

func box(style string) string { return `<path d="M0 -7h26v14h-26Z" ` + style + `/>` }

// cut keeps so many characters of a text.
func cut(text string, most int) string {
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
	trace Trace
	top   float64 // the count at the upper edge
	y     int     // of the panel's upper edge
	id    int
}

func (p *panel) draw(summed bool) {
	r := p.Result
	label(p.b, plotLeft, p.y+18, `font-size="16" font-weight="600"`, cut(p.Name, 100))
	label(p.b, plotLeft, p.y+38, faint, summary(r))
	fmt.Fprintf(p.b, `<clipPath id="plot%d"><rect x="%d" y="%d" width="%d" height="%d"/></clipPath>`+"\n",
		p.id, plotLeft, p.y+panelHead, plotWidth, plotHeight)
	p.countAxis()
	p.timeAxis()
	fmt.Fprintf(p.b, `<g clip-path="url(#plot%d)" fill="none" stroke-linejoin="round">`+"\n", p.id)
	if summed {
		p.parts()
	} else {
		p.load(pixels(r))
		p.steps(downColour, 1.5, "2 4", p.threshold(r.Policy.ScaleDownThreshold))
		p.steps(upColour, 1.5, "6 4", p.threshold(r.Policy.ScaleUpThreshold))
		p.steps(readyColour, 2, "", func(c Count) float64 { return float64(c.Ready) })
		p.steps(countColour, 2.5, "", func(c Count) float64 { return float64(c.Desired) })
	}
	p.b.WriteString("</g>\n")
	fmt.Fprintf(p.b, `<path d="M%d %dh%d" stroke="%s"/>`+"\n", plotLeft, p.y+panelHead+plotHeight, plotWidth, faintColour)
	if demand := r.PeakLoad / r.Policy.Target; demand > p.top {
		label(p.b, plotRight-8, p.y+panelHead+18, fmt.Sprintf(`text-anchor="end" fill="%s"`, upColour), "the load goes up to "+number(r.PeakLoad))
	}
}

func summary(r Result) string {
	words := fmt.Sprintf("%s instances in the mean, at most %d", number(r.MeanCount), r.PeakCount)
	if r.Cost > 0 {
		words += ", cost " + number(r.Cost)
	}
	words += fmt.Sprintf("; %.1f %% utilised; above the target for %s (%s)", 100*r.MeanUtilisation,
		duration(r.AboveTarget.Seconds()), percent(r.AboveTarget.Seconds()/r.Length().Seconds()))
	switch {
	case r.ColdStarts == 1:
		words += "; 1 cold start"
	case r.ColdStarts > 1:
		words += fmt.Sprintf("; %d cold starts", r.ColdStarts)
	}
	return words
}

// threshold is the load at which the instances are that full, in instances. With
// none there is no threshold: any load wakes the app.
func (p *panel) threshold(part float64) func(Count) float64 {
	return func(c Count) float64 {
		if c.Desired == 0 {
			return math.NaN()
		}
		return part * float64(max(c.Desired-p.Result.Policy.BufferInstances, 1))
	}
}

// across is where a time is, and up where a count is.
func (p *panel) across(at time.Time) float64 {
	return plotLeft + plotWidth*float64(at.Sub(p.Result.Start))/float64(p.Result.Length())
}

func (p *panel) up(count float64) float64 {
	return float64(p.y+panelHead) + plotHeight*(1-count/p.top)
}
