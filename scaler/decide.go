package scaler

import (
	"math"
	"time"
)

// Decide decides how many instances should run. It is pure, and it has an answer for
// every policy that [Parse] returns and every observation.
//
// Utilisation compares the load with what the instances except the buffer carry.
// Need is the fewest instances that keep it at or below the up threshold. So sizing
// and threshold cannot disagree, and a scale-down never causes a scale-up.
func Decide(p Policy, o Observation) (d Decision) {
	d.measure(&p, &o)
	d.Rule, d.Count = d.choose(&p, &o)
	switch {
	case d.Count > d.Desired:
		d.Direction = Up
	case d.Count < d.Desired:
		d.Direction = Down
	default:
		d.Direction = None
	}
	return d
}

// choose returns the first rule that matches and its count.
func (d *Decision) choose(p *Policy, o *Observation) (Rule, int) {
	hold := o.Desired
	switch {
	case !p.Enabled:
		return RuleDisabled, hold
	case p.held(o.Desired):
		return RuleHeld, hold
	case o.Desired < p.MinInstances:
		return RuleBelowMin, p.MinInstances
	case o.Desired > p.MaxInstances:
		return RuleAboveMax, p.MaxInstances
	case !d.Known:
		return RuleNoData, hold
	case o.Desired == 0 && d.Load > 0:
		return RuleActivate, d.Goal
	case o.Desired == 0:
		return RuleAtZero, hold
	case !d.Active && o.Desired > p.MinInstances:
		return RuleInactive, p.MinInstances
	case d.Goal > o.Desired:
		if d.Wait = d.UpCooldown; d.Wait > 0 {
			return RuleHold, hold
		}
		return RuleUp, step(o.Desired, d.Goal, p.ScaleUpStep)
	case d.Goal < o.Desired && d.low():
		if d.Wait = d.DownCooldown; d.Wait > 0 {
			return RuleHold, hold
		}
		if covered, _ := o.observed(o.Now.Add(-settleTime)); !covered {
			return RuleSettling, hold
		}
		return RuleDown, step(o.Desired, d.Goal, p.ScaleDownStep)
	default:
		return RuleHold, hold
	}
}

// measure sets the values that the rules compare.
func (d *Decision) measure(p *Policy, o *Observation) {
	d.Now, d.Desired, d.Goal, d.Override = o.Now, o.Desired, o.Desired, p.Override
	d.UpCooldown, d.DownCooldown = o.remaining(o.LastUp, p.ScaleUpCooldown), o.remaining(o.LastChange, p.ScaleDownCooldown)
	d.MinInstances, d.MaxInstances, d.BufferInstances = p.MinInstances, p.MaxInstances, p.BufferInstances
	d.Metric, d.Target, d.StopAfterInactive = p.Metric, p.Target, p.StopAfterInactive
	d.ScaleUpThreshold, d.ScaleDownThreshold = p.ScaleUpThreshold, p.ScaleDownThreshold
	d.Load, d.Known = o.load()
	if !d.Known {
		return
	}
	d.Demand = d.Load / p.Target
	d.Utilisation = d.Demand / float64(d.carriers())
	loaded := d.Load > 0
	d.Active = loaded
	if !loaded {
		covered, idle := o.observed(o.Now.Add(-p.StopAfterInactive))
		loaded = !idle
		d.Active = loaded || !covered
	}
	d.Goal = 0
	if d.Active {
		d.Goal = need(d.Demand, p.ScaleUpThreshold, p.MaxInstances) + p.BufferInstances
	}
	if !loaded {
		// Load that was possible but not observed keeps instances and starts none.
		d.Goal = min(d.Goal, o.Desired)
	}
	d.Goal = min(max(d.Goal, p.MinInstances), p.MaxInstances)
}

// held reports whether an override holds the count. A count that Nomad does not
// allow is not held.
func (p *Policy) held(desired int) bool {
	return p.Override != nil && p.Override.Hold && p.MinInstances <= desired && desired <= p.MaxInstances
}

// epsilon is the relative error that rounding may cause. With a target of 10, 27
// requests are exactly 0.9 of 3 instances, but (27/10)/0.9 is 3.0000000000000004.
// With a target of 5, 3 requests are exactly 0.1 of 6 instances, but (3/5)/6 is
// 0.09999999999999999.
const epsilon = 1e-9

// need is the fewest instances, at most limit, that keep the utilisation at or below
// the threshold.
func need(demand, threshold float64, limit int) int {
	n := math.Ceil(demand / threshold * (1 - epsilon))
	return int(math.Max(1, math.Min(n, float64(limit))))
}

// step moves from one count towards another by at most size, or all the way
// when size is 0.
func step(from, to, size int) int {
	if size == 0 {
		return to
	}
	return max(from-size, min(to, from+size))
}

// Direction is the direction in which a decision changes the count.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
	None Direction = "none"
)

// Rule names the rule of a decision.
type Rule string

// The rules, in the order in which [Decide] tries them.
const (
	RuleDisabled Rule = "disabled"  // 1: hold
	RuleHeld     Rule = "held"      // 1: hold, because of an override
	RuleBelowMin Rule = "below_min" // 2: up to the minimum, without cooldown
	RuleAboveMax Rule = "above_max" // 3: down to the maximum, without cooldown
	RuleNoData   Rule = "no_data"   // 4: hold, because missing data never scales
	RuleActivate Rule = "activate"  // 5: from zero to the goal, without cooldown or step
	RuleAtZero   Rule = "at_zero"   // 5: hold at zero without load
	RuleInactive Rule = "inactive"  // 6: down to the minimum, without cooldown or step
	RuleUp       Rule = "up"        // 7: up by at most a step
	RuleDown     Rule = "down"      // 8: down by at most a step
	RuleSettling Rule = "settling"  // 8: hold until the load was observed for a minute
	RuleHold     Rule = "hold"      // 9: hold, or wait for a cooldown
)

// Decision is the result of [Decide] with everything that explains it.
type Decision struct {
	// Now is the moment of the decision.
	Now time.Time
	// Count is how many instances should run.
	Count int
	// Desired is the count before the decision.
	Desired int
	// Direction is the direction from Desired to Count.
	Direction Direction
	// Rule is the rule that fired.
	Rule Rule
	// Wait is how long a cooldown still prevents a change of the count.
	Wait time.Duration
	// UpCooldown and DownCooldown are the remaining times of the cooldowns, even
	// if they do not prevent a change.
	UpCooldown, DownCooldown time.Duration

	// Known reports whether the load is known. If not, Load, Demand and
	// Utilisation are 0 and mean nothing.
	Known bool
	// Load is the load in the policy's metric.
	Load float64
	// Demand is the load in instances at 100 %.
	Demand float64
	// Utilisation is the demand per instance, without the buffer instances.
	Utilisation float64
	// Active reports whether there was, or may have been, load within
	// StopAfterInactive.
	Active bool
	// Goal is the count that the load calls for, within the bounds.
	Goal int

	// Override is the override that was applied; nil if there was none.
	Override *Override
	// The values of the policy, with the override applied.
	MinInstances       int
	MaxInstances       int
	BufferInstances    int
	Metric             Metric
	Target             float64
	ScaleUpThreshold   float64
	ScaleDownThreshold float64
	StopAfterInactive  time.Duration
}

// carriers is how many instances carry the load: all except the buffer, and at least
// one.
func (d *Decision) carriers() int { return max(d.Desired-d.BufferInstances, 1) }

// high reports whether the utilisation is above the up threshold.
func (d *Decision) high() bool { return d.Utilisation > d.ScaleUpThreshold*(1+epsilon) }

// low reports whether the utilisation is below the down threshold.
func (d *Decision) low() bool { return d.Utilisation < d.ScaleDownThreshold*(1-epsilon) }

// StartsUpCooldown reports whether the decision starts the up cooldown. Scaling up
// from zero and correcting bounds do not start it, so that a burst after the first
// request does not wait.
func (d Decision) StartsUpCooldown() bool { return d.Rule == RuleUp }
