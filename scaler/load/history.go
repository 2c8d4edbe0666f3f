package load

import (
	"iter"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// GridStep is the distance between the points in time for which the load is kept.
// The points are multiples of it in Unix time, so that all gateways use the same
// points.
const GridStep = gridSeconds * time.Second

const gridSeconds = 5

// floor is the last point of the grid at or before a second.
func floor(second int64) int64 { return second - modulo(second, gridSeconds) }

// level is a load in every metric that a meter measures.
type level struct{ requestsPerMinute, concurrency int }

func (l level) max(other level) level {
	return level{max(l.requestsPerMinute, other.requestsPerMinute), max(l.concurrency, other.concurrency)}
}

func (l level) in(metric scaler.Metric) float64 {
	if metric == scaler.Concurrency {
		return float64(l.concurrency)
	}
	return float64(l.requestsPerMinute)
}

func measures(metric scaler.Metric) bool {
	return metric == scaler.RequestsPerMinute || metric == scaler.Concurrency
}

// history is the load at the points of the grid, as runs, so that a constant load
// takes no memory.
type history []run

// run is a load that holds from a point of the grid until the next run.
type run struct {
	at int64
	level
}

// add appends the load at a point of the grid that is later than all others.
func (h *history) add(at int64, l level) {
	if n := len(*h); n == 0 || (*h)[n-1].level != l {
		*h = append(*h, run{at, l})
	}
}

// trim deletes the runs that ended before a second.
func (h *history) trim(second int64) {
	ended := 0
	for ended+1 < len(*h) && (*h)[ended+1].at <= second {
		ended++
	}
	*h = slices.Delete(*h, 0, ended)
}

// between iterates over the known points of the grid from one to another, both
// included.
func (h history) between(from, to int64) iter.Seq2[int64, level] {
	return func(yield func(int64, level) bool) {
		for i, r := range h {
			until := to
			if i+1 < len(h) {
				until = min(to, h[i+1].at-gridSeconds)
			}
			for at := max(r.at, from); at <= until; at += gridSeconds {
				if !yield(at, r.level) {
					return
				}
			}
		}
	}
}
