package scaler

import (
	"math"
	"time"
)

// MaxGap is the age from which the newest sample is stale, and the longest gap
// between two samples of a series without an unobserved time.
const MaxGap = time.Minute

// settleTime is how far a series must reach back before an app may scale down: the
// trailing minute over which a rate is counted. A gateway that has just started has
// not observed all of it.
const settleTime = time.Minute

// Sample is the load of an app at a moment. A value that is not a finite number
// of at least 0 means that the load is not known.
type Sample struct {
	Time  time.Time
	Value float64
}

func (s Sample) known() bool { return s.Value >= 0 && !math.IsInf(s.Value, 1) }

// Observation is what [Decide] takes into account besides the policy.
type Observation struct {
	// Now is the moment of the decision.
	Now time.Time
	// Desired is the count that Nomad is asked to run, and not the number of
	// running instances, because starting instances are capacity soon.
	Desired int
	// Series is the load over time, oldest first. If it does not reach back over
	// the policy's StopAfterInactive, the app is not idle.
	Series []Sample
	// LastUp is when the up cooldown last started: with a scale-up by rule 7, or
	// a manual one. Scaling up from zero and correcting bounds do not count. Zero
	// means never.
	LastUp time.Time
	// LastChange is the last change of the count, of any kind. Zero means never.
	LastChange time.Time
}

// load is the newest value. It is false if the value is missing, unknown or stale.
func (o *Observation) load() (float64, bool) {
	if len(o.Series) == 0 {
		return 0, false
	}
	newest := o.Series[len(o.Series)-1]
	if !newest.known() || o.Now.Sub(newest.Time) > MaxGap {
		return 0, false
	}
	return newest.Value, true
}

// observed reports whether the series covers the time since then without a gap, and
// whether the load was zero in everything that it covers.
func (o *Observation) observed(since time.Time) (covered, idle bool) {
	later := o.Now
	idle = true
	for i := len(o.Series) - 1; i >= 0; i-- {
		s := o.Series[i]
		if !s.known() {
			continue
		}
		if later.Sub(s.Time) > MaxGap {
			return false, idle
		}
		idle = idle && s.Value == 0
		if !s.Time.After(since) {
			return true, idle
		}
		later = s.Time
	}
	return false, idle
}

// remaining is the remaining time of a cooldown that began at start. A start in the
// future, such as after a clock was set back, counts as now.
func (o *Observation) remaining(start time.Time, cooldown time.Duration) time.Duration {
	if start.IsZero() {
		return 0
	}
	return max(0, cooldown-max(0, o.Now.Sub(start)))
}
