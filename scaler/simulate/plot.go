package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// pixels are the bounds of the pixels of the plot.
func pixels(r Result) []time.Time {
	bounds := make([]time.Time, plotWidth+1)
	for x := range bounds {
		bounds[x] = r.Start.Add(time.Duration(float64(r.Length()) * float64(x) / plotWidth))
	}
	return bounds
}

// load draws the highest load between each two bounds as an area, with a gap
// where it is not known.
func (p *panel) load(bounds []time.Time) {
	lows, highs := make([]float64, len(bounds)-1), p.trace.peaks(bounds)
	for i := range highs {
		highs[i] = min(highs[i]/p.Result.Policy.Target, 2*p.top)
	}
	p.area(loadStyle, bounds, lows, highs)
}

// peaks is the highest load that is known between each two bounds.
func (t *Trace) peaks(bounds []time.Time) []float64 {
	loads := make([]float64, len(bounds)-1)
	i := t.index(bounds[0])
	for x := range loads {
		begin, end := bounds[x], bounds[x+1]
		for i+1 < len(t.Points) && !t.Points[i+1].Time.After(begin) {
			i++
		}
		loads[x] = t.at(i, begin)
		for i+1 < len(t.Points) && t.Points[i+1].Time.Before(end) {
			i++
			if load := t.Points[i].Value; !(load <= loads[x]) && !math.IsNaN(load) {
				loads[x] = load
			}
		}
	}
	return loads
}

// area fills what is between two counts from each bound to the next.
func (p *panel) area(style string, bounds []time.Time, lows, highs []float64) {
	var path strings.Builder
	for i := 0; i < len(highs); i++ {
		if math.IsNaN(highs[i]) {
			continue
		}
		first := i
		fmt.Fprintf(&path, "M%.1f %.1f", p.across(bounds[i]), p.up(lows[i]))
		for ; i < len(highs) && !math.IsNaN(highs[i]); i++ {
			fmt.Fprintf(&path, "V%.1fH%.1f", p.up(highs[i]), p.across(bounds[i+1]))
		}
		for back := i - 1; back >= first; back-- {
			fmt.Fprintf(&path, "V%.1fH%.1f", p.up(lows[back]), p.across(bounds[back]))
		}
		path.WriteByte('Z')
	}
	fmt.Fprintf(p.b, `<path d="%s" %s/>`+"\n", path.String(), style)
}

// steps draws something of the counts as a step line, with a gap where it is not
// a number.
func (p *panel) steps(colour string, width float64, dashes string, of func(Count) float64) {
	var path strings.Builder
	last := math.NaN()
	for i, c := range p.Result.Counts {
		value := of(c)
		switch {
		case math.IsNaN(value):
		case math.IsNaN(last):
			fmt.Fprintf(&path, "M%.1f %.1fH%.1f", p.across(c.Time), p.up(value), p.across(p.Result.until(i)))
		default:
			fmt.Fprintf(&path, "V%.1fH%.1f", p.up(value), p.across(p.Result.until(i)))
		}
		last = value
	}
	p.stroke(path.String(), colour, width, dashes)
}

func (p *panel) stroke(path, colour string, width float64, dashes string) {
	fmt.Fprintf(p.b, `<path d="%s" stroke="%s" stroke-width="%g" stroke-dasharray="%s"/>`+"\n", path, colour, width, dashes)
}

// until is when a count ends.
func (r *Result) until(i int) time.Time {
	if i+1 < len(r.Counts) {
		return r.Counts[i+1].Time
	}
	return r.End
}

// maxParts is into how many parts a long time is divided.
const maxParts = 400

// parts draws the highest load and the counts in round parts of the time.
func (p *panel) parts() {
	r := &p.Result
	bounds := []time.Time{r.Start}
	step := tickStep(r.Length(), maxParts)
	for at := floor(r.Start, step).Add(step); at.Before(r.End); at = at.Add(step) {
		bounds = append(bounds, at)
	}
	bounds = append(bounds, r.End)
	p.load(bounds)

	lows, highs, means := r.spread(bounds)
	p.area(spreadStyle, bounds, lows, highs)
	var path strings.Builder
	fmt.Fprintf(&path, "M%.1f %.1f", p.across(r.Start), p.up(means[0]))
	for i, mean := range means {
		fmt.Fprintf(&path, "V%.1fH%.1f", p.up(mean), p.across(bounds[i+1]))
	}
	p.stroke(path.String(), countColour, 2.5, "")
}

// spread is the fewest, the most and the mean of the desired counts between each
// two bounds.
func (r *Result) spread(bounds []time.Time) (lows, highs, means []float64) {
	parts := len(bounds) - 1
	lows, highs, means = slices.Repeat([]float64{math.Inf(1)}, parts), make([]float64, parts), make([]float64, parts)
	for i, part := 0, 0; part < parts && i < len(r.Counts); {
		begin, end := bounds[part], bounds[part+1]
		from, to := later(begin, r.Counts[i].Time), r.until(i)
		if to.After(end) {
			to = end
		}
		count := float64(r.Counts[i].Desired)
		lows[part], highs[part] = min(lows[part], count), max(highs[part], count)
		means[part] += count * float64(to.Sub(from)) / float64(end.Sub(begin))
		if !r.until(i).After(end) {
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
