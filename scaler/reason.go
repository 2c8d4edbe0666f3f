package scaler

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Reason says in words why the decision is what it is.
func (d Decision) Reason() string {
	switch d.Rule {
	case RuleDisabled:
		return "scaling is disabled"
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
		return fmt.Sprintf("%s is %s, above %s; %s", d.load(), d.utilisation(), percent(d.ScaleUpThreshold), d.need())
	case RuleDown:
		return fmt.Sprintf("%s is %s, below %s; %s", d.load(), d.utilisation(), percent(d.ScaleDownThreshold), d.need())
	case RuleSettling:
		return fmt.Sprintf("%s, but the load has not been watched for a minute yet", d.need())
	}
	switch {
	case d.Wait > 0 && d.Goal > d.Desired:
		return fmt.Sprintf("%s is %s; %s, but scale_up_cooldown has %s left", d.load(), d.utilisation(), d.need(), d.wait())
	case d.Wait > 0:
		return fmt.Sprintf("%s is %s; %s, but scale_down_cooldown has %s left", d.load(), d.utilisation(), d.need(), d.wait())
	case !d.Active:
		return fmt.Sprintf("no load, and %d is min_instances", d.Desired)
	case d.Goal < d.Desired:
		return fmt.Sprintf("%s is %s, not below %s", d.load(), d.utilisation(), percent(d.ScaleDownThreshold))
	case d.Goal == d.MaxInstances && d.Utilisation > d.ScaleUpThreshold:
		return fmt.Sprintf("%s is %s, but %d is max_instances", d.load(), d.utilisation(), d.Desired)
	default:
		return fmt.Sprintf("%s is %s of %s, within bounds", d.load(), d.utilisation(), instances(d.Desired))
	}
}

func (d Decision) load() string {
	switch d.Metric {
	case RequestsPerMinute:
		return short(d.Load) + " requests a minute"
	case Concurrency:
		return short(d.Load) + " requests at a time"
	default:
		return "a load of " + short(d.Load)
	}
}

func (d Decision) utilisation() string {
	return percent(d.Utilisation)
}

// need says what the load calls for and where the number comes from.
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

// wait rounds up, so that a cooldown never reads as over before it is.
func (d Decision) wait() string {
	return FormatDuration((d.Wait + time.Second - 1).Truncate(time.Second))
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

func short(n float64) string { return formatFloat(math.Round(n*100) / 100) }

func percent(fraction float64) string { return formatFloat(math.Round(fraction*100)) + " %" }
