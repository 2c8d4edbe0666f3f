package simulate

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// tally adds up what a result tells of, from its start on.
type tally struct {
	known, ready time.Duration // how long the load was known, and an instance ready meanwhile
	loadSeconds  float64
	busySeconds  float64 // utilisation × seconds

	cold    bool    // load waits for an instance
	waiting float64 // how many requests do
}

// hair is what rounding may add to a load that just fills the instances.
const hair = 1 + 1e-9

// arrive notes whether load meets no ready instance, before anything is decided.
func (t *tally) arrive(r *Result, load float64, i *instances) {
	waits := load > 0 && i.ready() == 0
	switch {
	case waits && !t.cold:
		r.ColdStarts++
		t.cold, t.waiting = true, 0
	case !waits && t.cold:
		t.serve(r)
	}
	if waits && r.Policy.Metric == scaler.Concurrency {
		t.waiting = max(t.waiting, load)
	}
}

// serve ends the wait for an instance.
func (t *tally) serve(r *Result) {
	if r.Policy.Metric != scaler.Custom {
		r.ColdRequests += max(1, math.Ceil(t.waiting))
	}
	t.cold = false
}

// add accounts for a time in which the load was that in the mean and at most.
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
	if load > capacity*r.Policy.ScaleUpThreshold*hair {
		r.AboveThreshold += d
	}
	if load > capacity*hair {
		r.AboveTarget += d
	}
}

// finish works out what only the whole time tells.
func (t *tally) finish(r *Result) {
	if t.cold {
		t.serve(r)
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
