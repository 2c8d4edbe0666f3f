package scaler

import (
	"math"
	"time"
)

// MaxGap is the age at which the newest sample is stale, and the longest gap
// between two samples of a series that still counts as watched.
const MaxGap = time.Minute

// settleTime is how far a series must reach back before it can shrink an app:
// the trailing minute that a rate is counted over. A gateway that has just
// started has not seen it whole.
const settleTime = time.Minute

// Sample is the load of an app at a moment. A value that is not a finite number
// of at least 0 means that the load is not known.
type Sample struct {
	Time  time.Time
	Value float64
}

func (s Sample) known() bool { return s.Value >= 0 && !math.IsInf(s.Value, 1) }

// Observation is what [Decide] looks at.
type Observation struct {
	// Now is the moment of the decision.
	Now time.Time
	// Desired is the count that Nomad is asked to run, never the number that
	// is running: instances that are starting are capacity on the way.
	Desired int
	// Series is the load over time, oldest first. It should reach back over
	// the policy's StopAfterInactive; an app whose series does not is not idle.
	Series []Sample
	// LastUp is the last action up that starts the up cooldown: one by rule 7
	// or by hand. Waking from zero and correcting bounds do not count. Zero
	// when there is none.
	LastUp time.Time
	// LastChange is the last change of the count, of any kind. Zero when there
	// is none.
	LastChange time.Time
}

// load is the newest value; false when it is missing, unknown or stale.
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

// watched reports whether the series covers the time since then without a gap,
// and whether the load was zero in all that it covers.
func (o *Observation) watched(since time.Time) (covered, idle bool) {
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

// remaining is how much of a cooldown that started then is left. A start in the
// future, as after a step of the clock, counts as now.
func (o *Observation) remaining(start time.Time, cooldown time.Duration) time.Duration {
	if start.IsZero() {
		return 0
	}
	return max(0, cooldown-max(0, o.Now.Sub(start)))
}
