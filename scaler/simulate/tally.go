package simulate

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// tally adds up what the means and the cold starts of a result need.
type tally struct {
	known, ready time.Duration // how long the load was known, and how long an instance was ready meanwhile
	loadSeconds  float64
	busySeconds  float64 // utilisation × seconds

	cold    bool    // load waits for a first instance
	waiting float64 // how many requests wait
}

// epsilon is the relative error that rounding may add to a load that exactly fills
// the instances.
const epsilon = 1e-9

// observe checks, before any decision, whether the load finds a ready instance.
func (t *tally) observe(r *Result, load float64, i *instances) {
	waits := load > 0 && i.ready() == 0
	switch {
	case waits && !t.cold:
		r.ColdStarts++
		t.cold, t.waiting = true, 0
	case !waits && t.cold:
		t.endColdStart(r)
	}
	if waits && r.Policy.Metric == scaler.Concurrency {
		t.waiting = max(t.waiting, load)
	}
}

// endColdStart ends the wait for a first instance.
func (t *tally) endColdStart(r *Result) {
	if r.Policy.Metric != scaler.Custom {
		r.ColdRequests += max(1, math.Ceil(t.waiting))
	}
	t.cold = false
}

// add accounts for a time with a mean and a peak load.
func (t *tally) add(r *Result, d time.Duration, load, peak float64, i *instances) {
	seconds := d.Seconds()
	r.InstanceSeconds += float64(i.desired) * seconds
	r.PeakCount = max(r.PeakCount, i.desired)
	if math.IsNaN(load) {
		r.LoadUnknown += d
		return
	}
	t.known += d
	t.loadSeconds += load * seconds
	r.PeakLoad = max(r.PeakLoad, peak)
	capacity := r.Policy.Target * float64(i.ready())
	if i.ready() > 0 {
		t.ready += d
		t.busySeconds += load / capacity * seconds
		r.PeakUtilisation = max(r.PeakUtilisation, peak/capacity)
	} else if t.cold {
		r.ColdTime += d
		if r.Policy.Metric == scaler.RequestsPerMinute {
			t.waiting += load / 60 * seconds
		}
	}
	if load > capacity*r.Policy.ScaleUpThreshold*(1+epsilon) {
		r.AboveThreshold += d
	}
	if load > capacity*(1+epsilon) {
		r.AboveTarget += d
	}
}

// finish computes the figures that depend on the whole time.
func (t *tally) finish(r *Result) {
	if t.cold {
		t.endColdStart(r)
	}
	r.MeanCount = r.InstanceSeconds / r.Length().Seconds()
	r.Cost = r.InstanceSeconds * r.Policy.PricePerInstanceSecond
	if t.known > 0 {
		r.MeanLoad = t.loadSeconds / t.known.Seconds()
	}
	if t.ready > 0 {
		r.MeanUtilisation = t.busySeconds / t.ready.Seconds()
	}
}
