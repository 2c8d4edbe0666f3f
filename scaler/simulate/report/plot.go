package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

// pixels are the times at the bounds of the columns of pixels of the plot.
func pixels(r simulate.Result) []time.Time {
	bounds := make([]time.Time, plotWidth+1)
	for x := range bounds {
		bounds[x] = r.Start.Add(time.Duration(float64(r.Length()) * float64(x) / plotWidth))
	}
	return bounds
}

// drawLoad draws the highest load between each two bounds as an area, with a gap
// where the load is not known.
func (p *panel) drawLoad(bounds []time.Time) {
	lows, highs := make([]float64, len(bounds)-1), p.trace.Peaks(bounds)
	for i := range highs {
		highs[i] = min(highs[i]/p.Result.Policy.Target, 2*p.top)
	}
	p.area(loadStyle, bounds, lows, highs)
}

// area fills the space between two counts from each bound to the next.
func (p *panel) area(style string, bounds []time.Time, lows, highs []float64) {
	var path strings.Builder
	for i := 0; i < len(highs); i++ {
		if math.IsNaN(highs[i]) {
			continue
		}
		first := i
		fmt.Fprintf(&path, "M%.1f %.1f", p.xAt(bounds[i]), p.yAt(lows[i]))
		for ; i < len(highs) && !math.IsNaN(highs[i]); i++ {
			fmt.Fprintf(&path, "V%.1fH%.1f", p.yAt(highs[i]), p.xAt(bounds[i+1]))
		}
		for back := i - 1; back >= first; back-- {
			fmt.Fprintf(&path, "V%.1fH%.1f", p.yAt(lows[back]), p.xAt(bounds[back]))
		}
		path.WriteByte('Z')
	}
	fmt.Fprintf(p.b, `<path d="%s" %s/>`+"\n", path.String(), style)
}

// drawSteps draws a value of each count as a step line, with a gap where it is NaN.
func (p *panel) drawSteps(colour string, width float64, dashes string, of func(simulate.Count) float64) {
	var path strings.Builder
	last := math.NaN()
	for i, c := range p.Result.Counts {
		value := of(c)
		switch {
		case math.IsNaN(value):
		case math.IsNaN(last):
			fmt.Fprintf(&path, "M%.1f %.1fH%.1f", p.xAt(c.Time), p.yAt(value), p.xAt(countEnd(&p.Result, i)))
		default:
			fmt.Fprintf(&path, "V%.1fH%.1f", p.yAt(value), p.xAt(countEnd(&p.Result, i)))
		}
		last = value
	}
	p.stroke(path.String(), colour, width, dashes)
}

func (p *panel) stroke(path, colour string, width float64, dashes string) {
	fmt.Fprintf(p.b, `<path d="%s" stroke="%s" stroke-width="%g" stroke-dasharray="%s"/>`+"\n", path, colour, width, dashes)
}

// countEnd is when the count with index i ends.
func countEnd(r *simulate.Result, i int) time.Time {
	if i+1 < len(r.Counts) {
		return r.Counts[i+1].Time
	}
	return r.End
}

// maxParts is the most parts that a long time is divided into.
const maxParts = 400

// drawSummary draws the highest load and the spread of the counts in equal parts of
// the time.
func (p *panel) drawSummary() {
	r := &p.Result
	bounds := []time.Time{r.Start}
	step := tickStep(r.Length(), maxParts)
	for at := floor(r.Start, step).Add(step); at.Before(r.End); at = at.Add(step) {
		bounds = append(bounds, at)
	}
	bounds = append(bounds, r.End)
	p.drawLoad(bounds)

	lows, highs, means := spread(r, bounds)
	p.area(spreadStyle, bounds, lows, highs)
	var path strings.Builder
	fmt.Fprintf(&path, "M%.1f %.1f", p.xAt(r.Start), p.yAt(means[0]))
	for i, mean := range means {
		fmt.Fprintf(&path, "V%.1fH%.1f", p.yAt(mean), p.xAt(bounds[i+1]))
	}
	p.stroke(path.String(), countColour, 2.5, "")
}

// spread is the lowest, the highest and the mean desired count between each two
// bounds.
func spread(r *simulate.Result, bounds []time.Time) (lows, highs, means []float64) {
	parts := len(bounds) - 1
	lows, highs, means = slices.Repeat([]float64{math.Inf(1)}, parts), make([]float64, parts), make([]float64, parts)
	for i, part := 0, 0; part < parts && i < len(r.Counts); {
		begin, end := bounds[part], bounds[part+1]
		from, to := later(begin, r.Counts[i].Time), countEnd(r, i)
		if to.After(end) {
			to = end
		}
		count := float64(r.Counts[i].Desired)
		lows[part], highs[part] = min(lows[part], count), max(highs[part], count)
		means[part] += count * float64(to.Sub(from)) / float64(end.Sub(begin))
		if !countEnd(r, i).After(end) {
			i++
		}
		if to.Equal(end) {
			part++
		}
	}
	return lows, highs, means
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
