package scaler

import (
	"math"
	"time"
)

// Decide answers how many instances should run. It is pure, and total for every
// policy that [Parse] returns, whatever the observation.
//
// Utilisation compares the load with what the instances without the buffer
// carry, and need is the fewest instances that keep it at or below the up
// threshold. So sizing and threshold cannot disagree, and an action down never
// provokes one up.
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

// choose returns the first rule that fits and the count that it asks for.
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
		if covered, _ := o.watched(o.Now.Add(-settleTime)); !covered {
			return RuleSettling, hold
		}
		return RuleDown, step(o.Desired, d.Goal, p.ScaleDownStep)
	default:
		return RuleHold, hold
	}
}

// measure fills in what every rule looks at.
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
	seen := d.Load > 0
	d.Active = seen
	if !seen {
		covered, idle := o.watched(o.Now.Add(-p.StopAfterInactive))
		seen = !idle
		d.Active = seen || !covered
	}
	d.Goal = 0
	if d.Active {
		d.Goal = need(d.Demand, p.ScaleUpThreshold, p.MaxInstances) + p.BufferInstances
	}
	if !seen {
		// Load that only might have been keeps instances and starts none.
		d.Goal = min(d.Goal, o.Desired)
	}
	d.Goal = min(max(d.Goal, p.MinInstances), p.MaxInstances)
}

// held tells whether an override holds the count. It does not hold one that
// Nomad does not allow.
func (p *Policy) held(desired int) bool {
	return p.Override != nil && p.Override.Hold && p.MinInstances <= desired && desired <= p.MaxInstances
}

// hair is the fraction that rounding may add or take: 27 requests on a target of
// 10 fill 3 instances to 0.9, though (27/10)/0.9 is 3.0000000000000004, and 3 on
// a target of 5 fill 6 to 0.1, though (3/5)/6 is 0.09999999999999999.
const hair = 1e-9

// need is the fewest instances that keep utilisation at or below the threshold,
// at most limit.
func need(demand, threshold float64, limit int) int {
	n := math.Ceil(demand / threshold * (1 - hair))
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

// Direction is where a decision moves the count.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
	None Direction = "none"
)

// Rule names the rule that a decision was made by.
type Rule string

// The rules, in the order in which [Decide] tries them.
const (
	RuleDisabled Rule = "disabled"  // 1: hold
	RuleHeld     Rule = "held"      // 1: hold, for an override says so
	RuleBelowMin Rule = "below_min" // 2: up to the minimum, without cooldown
	RuleAboveMax Rule = "above_max" // 3: down to the maximum, without cooldown
	RuleNoData   Rule = "no_data"   // 4: hold, for absent data never scales
	RuleActivate Rule = "activate"  // 5: from zero to the goal, without cooldown or step
	RuleAtZero   Rule = "at_zero"   // 5: hold at zero without load
	RuleInactive Rule = "inactive"  // 6: down to the minimum, without cooldown or step
	RuleUp       Rule = "up"        // 7: up by at most a step
	RuleDown     Rule = "down"      // 8: down by at most a step
	RuleSettling Rule = "settling"  // 8: hold until the load was watched for a minute
	RuleHold     Rule = "hold"      // 9: hold, or wait for a cooldown
)

// Decision is an answer of [Decide] with everything that explains it.
type Decision struct {
	// Now is the moment of the decision.
	Now time.Time
	// Count is how many instances should run.
	Count int
	// Desired is the count before the decision.
	Desired int
	// Direction is where Count lies from Desired.
	Direction Direction
	// Rule is the rule that fired.
	Rule Rule
	// Wait is how long a cooldown still holds the count back.
	Wait time.Duration
	// UpCooldown and DownCooldown are what is left of the cooldowns, whether or
	// not they hold the count back.
	UpCooldown, DownCooldown time.Duration

	// Known tells whether the load is known; without it Load, Demand and
	// Utilisation are 0 and say nothing.
	Known bool
	// Load is the load in the policy's metric.
	Load float64
	// Demand is the load in instances at 100 %.
	Demand float64
	// Utilisation is the demand on each instance besides the buffer.
	Utilisation float64
	// Active tells whether there was load within StopAfterInactive, or might
	// have been.
	Active bool
	// Goal is the count that the load calls for, within the bounds.
	Goal int

	// Override is the one that was applied; nil without.
	Override *Override
	// What the policy said, with any override applied.
	MinInstances       int
	MaxInstances       int
	BufferInstances    int
	Metric             Metric
	Target             float64
	ScaleUpThreshold   float64
	ScaleDownThreshold float64
	StopAfterInactive  time.Duration
}

// carriers is how many instances carry the load: those besides the buffer, and
// at least one.
func (d *Decision) carriers() int { return max(d.Desired-d.BufferInstances, 1) }

// high tells whether utilisation is above the up threshold.
func (d *Decision) high() bool { return d.Utilisation > d.ScaleUpThreshold*(1+hair) }

// low tells whether utilisation is below the down threshold.
func (d *Decision) low() bool { return d.Utilisation < d.ScaleDownThreshold*(1-hair) }

// StartsUpCooldown tells whether the decision starts the up cooldown. Waking an
// app and correcting bounds do not, so that a burst behind the first request is
// not left waiting.
func (d Decision) StartsUpCooldown() bool { return d.Rule == RuleUp }
