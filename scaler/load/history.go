package load

import (
	"iter"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// GridStep is the distance of the points of time at which load is remembered.
// They are multiples of it in Unix time, so that those of all gateways are the
// same.
const GridStep = gridSeconds * time.Second

const gridSeconds = 5

// floor is the last point of the grid at or before that second.
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

// history is the load at the points of the grid, as runs: a load that stays the
// same takes no room.
type history []run

// run is a load from a point of the grid on, until the next run.
type run struct {
	at int64
	level
}

// add puts the load at a point of the grid, later than all before, to the end.
func (h *history) add(at int64, l level) {
	if n := len(*h); n == 0 || (*h)[n-1].level != l {
		*h = append(*h, run{at, l})
	}
}

// trim forgets the runs that ended before that second.
func (h *history) trim(second int64) {
	ended := 0
	for ended+1 < len(*h) && (*h)[ended+1].at <= second {
		ended++
	}
	*h = slices.Delete(*h, 0, ended)
}

// between goes through the points of the grid from one to another, both
// included, as far as they are known.
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
