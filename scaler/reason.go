package scaler

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Reason explains the decision in words.
func (d Decision) Reason() string {
	switch {
	case d.Rule == RuleDisabled:
		return "scaling is disabled"
	case d.Override == nil:
		return d.words()
	case d.Rule != RuleHeld:
		return fmt.Sprintf("%s; %s by an override until %s", d.words(), d.Override.Changes(), d.Override.Until(d.Now))
	}
	words := "held by an override until " + d.Override.Until(d.Now)
	if d.Override.By != "" {
		words += ", set by " + d.Override.By
	}
	if d.Override.Reason != "" {
		words += ": " + d.Override.Reason
	}
	return words
}

// words explains a decision that no override holds.
func (d Decision) words() string {
	switch d.Rule {
	case RuleBelowMin:
		return fmt.Sprintf("%d desired is below min_instances %d", d.Desired, d.MinInstances)
	case RuleAboveMax:
		return fmt.Sprintf("%d desired is above max_instances %d", d.Desired, d.MaxInstances)
	case RuleNoData:
		return "the load is not known: missing, stale or not a number"
	case RuleActivate:
		return fmt.Sprintf("woken by %s; %s", d.load(), d.need())
	case RuleAtZero:
		return "at zero without load"
	case RuleInactive:
		return fmt.Sprintf("no load for %s", FormatDuration(d.StopAfterInactive))
	case RuleUp:
		return fmt.Sprintf("%s; %s%s", d.use(), d.need(), d.limitedBy("scale_up_step"))
	case RuleDown:
		return fmt.Sprintf("%s; %s%s", d.use(), d.need(), d.limitedBy("scale_down_step"))
	case RuleSettling:
		return fmt.Sprintf("%s; %s, but the load has not been watched for a minute yet", d.use(), d.need())
	}
	switch {
	case d.Wait > 0 && d.Goal > d.Desired:
		return fmt.Sprintf("%s; %s, but scale_up_cooldown has %s left", d.use(), d.need(), d.wait())
	case d.Wait > 0:
		return fmt.Sprintf("%s; %s, but scale_down_cooldown has %s left", d.use(), d.need(), d.wait())
	case !d.Active:
		return fmt.Sprintf("no load, and %d is min_instances", d.Desired)
	case d.Load == 0:
		return fmt.Sprintf("no load now, but not yet for %s", FormatDuration(d.StopAfterInactive))
	case d.Goal < d.Desired:
		return fmt.Sprintf("%s, not below %s", d.use(), percent(d.ScaleDownThreshold))
	case d.Desired == d.MaxInstances && d.high():
		return fmt.Sprintf("%s, but %d is max_instances", d.use(), d.Desired)
	default:
		return fmt.Sprintf("%s; %s", d.use(), d.need())
	}
}

// use describes the utilisation of the instances that carry the load, and the
// threshold that it is beyond, if that causes the decision.
func (d Decision) use() string {
	words := fmt.Sprintf("%s is %s of %s", d.load(), percent(d.Utilisation), instances(d.carriers()))
	switch {
	case d.Goal > d.Desired && d.high():
		words += ", above " + percent(d.ScaleUpThreshold)
	case d.Goal < d.Desired && d.low():
		words += ", below " + percent(d.ScaleDownThreshold)
	}
	return words
}

func (d Decision) load() string {
	switch d.Metric {
	case RequestsPerMinute:
		return requests(d.Load) + " a minute"
	case Concurrency:
		return requests(d.Load) + " at a time"
	default:
		return "a load of " + short(d.Load)
	}
}

// need describes the count that the load calls for, and how it is made up.
func (d Decision) need() string {
	var parts []string
	if d.BufferInstances > 0 && d.Active {
		parts = append(parts, fmt.Sprintf("with %d buffer", d.BufferInstances))
	}
	switch d.Goal {
	case d.MaxInstances:
		parts = append(parts, "the maximum")
	case d.MinInstances:
		parts = append(parts, "the minimum")
	}
	words := fmt.Sprintf("%s called for", instances(d.Goal))
	if len(parts) > 0 {
		words += " (" + strings.Join(parts, ", ") + ")"
	}
	return words
}

// limitedBy says that a step limits the count, if it is not the goal.
func (d Decision) limitedBy(step string) string {
	if d.Count == d.Goal {
		return ""
	}
	return fmt.Sprintf(", %d for now by %s", d.Count, step)
}

// wait is the remaining cooldown, rounded up so that it is never shown as 0 early.
func (d Decision) wait() string {
	return FormatDuration((d.Wait + time.Second - 1).Truncate(time.Second))
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

func requests(n float64) string {
	if n == 1 {
		return "1 request"
	}
	return short(n) + " requests"
}

func short(n float64) string { return formatFloat(math.Round(n*100) / 100) }

func percent(fraction float64) string { return short(fraction*100) + " %" }
