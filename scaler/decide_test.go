package scaler_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// interval is how often the tests sample the load.
const interval = 10 * time.Second

// steady is a load that has not changed for as long as back.
func steady(load float64, back time.Duration) []scaler.Sample {
	var series []scaler.Sample
	for age := back; age > 0; age -= interval {
		series = append(series, scaler.Sample{Time: ago(age), Value: load})
	}
	return append(series, scaler.Sample{Time: now, Value: load})
}

// with replaces the samples of a series at some ages.
func with(series []scaler.Sample, values map[time.Duration]float64) []scaler.Sample {
	for age, value := range values {
		series = without(series, age, age)
		series = append(series, scaler.Sample{Time: ago(age), Value: value})
	}
	slices.SortFunc(series, func(a, b scaler.Sample) int { return a.Time.Compare(b.Time) })
	return series
}

// without removes the samples between two ages, both included, from a series.
func without(series []scaler.Sample, from, to time.Duration) []scaler.Sample {
	return slices.DeleteFunc(series, func(s scaler.Sample) bool {
		age := now.Sub(s.Time)
		return to <= age && age <= from
	})
}

// A decision of the default policy: 1 to 10 instances of 100 requests a minute
// each, thresholds 90 % and 30 %, steps of 1, cooldowns of 5 and 10 minutes,
// inactive after 10 minutes.
type decision struct {
	name    string
	policy  []string // the keys and values that are not defaults
	desired int
	series  []scaler.Sample

	lastUp, lastChange time.Time

	count  int
	rule   scaler.Rule
	reason string
}

func decisions(t *testing.T, cases ...decision) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := scaler.Decide(parse(t, c.policy...), scaler.Observation{
				Now: now, Desired: c.desired, Series: c.series, LastUp: c.lastUp, LastChange: c.lastChange,
			})
			if d.Count != c.count || d.Rule != c.rule {
				t.Errorf("%d by %s, want %d by %s", d.Count, d.Rule, c.count, c.rule)
			}
			if d.Reason() != c.reason {
				t.Errorf("reason\n got: %s\nwant: %s", d.Reason(), c.reason)
			}
			want := scaler.None
			if c.count > c.desired {
				want = scaler.Up
			} else if c.count < c.desired {
				want = scaler.Down
			}
			if d.Direction != want {
				t.Errorf("direction %s, want %s", d.Direction, want)
			}
		})
	}
}

func TestRule1DisabledHolds(t *testing.T) {
	for _, desired := range []int{0, 1, 5, 100} {
		p := parse(t, "min_instances", "2")
		p.Enabled = false
		d := scaler.Decide(p, scaler.Observation{Now: now, Desired: desired, Series: steady(1000, 10*time.Minute)})
		if d.Count != desired || d.Rule != scaler.RuleDisabled || d.Direction != scaler.None {
			t.Errorf("from %d: %d by %s", desired, d.Count, d.Rule)
		}
		if d.Reason() != "scaling is disabled" {
			t.Error(d.Reason())
		}
	}
}

func TestRule2BelowTheMinimumGoesUpToIt(t *testing.T) {
	decisions(t,
		decision{
			name: "all the way, whatever the step", policy: []string{"min_instances", "5"},
			desired: 1, series: steady(0, 10*time.Minute),
			count: 5, rule: scaler.RuleBelowMin, reason: "1 desired is below min_instances 5",
		},
		decision{
			name:    "from zero without load",
			desired: 0, series: steady(0, 10*time.Minute),
			count: 1, rule: scaler.RuleBelowMin, reason: "0 desired is below min_instances 1",
		},
		decision{
			name: "within both cooldowns", policy: []string{"min_instances", "2"},
			desired: 1, series: steady(0, 10*time.Minute), lastUp: ago(time.Second), lastChange: ago(time.Second),
			count: 2, rule: scaler.RuleBelowMin, reason: "1 desired is below min_instances 2",
		},
		decision{
			name: "without data", policy: []string{"min_instances", "2"},
			desired: 0,
			count:   2, rule: scaler.RuleBelowMin, reason: "0 desired is below min_instances 2",
		},
	)
}

func TestRule3AboveTheMaximumGoesDownToIt(t *testing.T) {
	decisions(t,
		decision{
			name:    "all the way, whatever the step and the load",
			desired: 15, series: steady(5000, 10*time.Minute),
			count: 10, rule: scaler.RuleAboveMax, reason: "15 desired is above max_instances 10",
		},
		decision{
			name:    "within both cooldowns",
			desired: 11, series: steady(0, 10*time.Minute), lastUp: ago(time.Second), lastChange: ago(time.Second),
			count: 10, rule: scaler.RuleAboveMax, reason: "11 desired is above max_instances 10",
		},
		decision{
			name:    "without data",
			desired: 11,
			count:   10, rule: scaler.RuleAboveMax, reason: "11 desired is above max_instances 10",
		},
	)
}

func TestRule4AbsentDataHolds(t *testing.T) {
	const reason = "the load is not known: missing, stale or not a number"
	newest := func(value float64) []scaler.Sample {
		return with(steady(1000, 10*time.Minute), map[time.Duration]float64{0: value})
	}
	aged := func(age time.Duration) []scaler.Sample { return without(steady(1000, 10*time.Minute), age-1, 0) }

	decisions(t,
		decision{name: "no series", desired: 3, count: 3, rule: scaler.RuleNoData, reason: reason},
		decision{name: "not a number", desired: 3, series: newest(math.NaN()), count: 3, rule: scaler.RuleNoData, reason: reason},
		decision{name: "infinite", desired: 3, series: newest(math.Inf(1)), count: 3, rule: scaler.RuleNoData, reason: reason},
		decision{name: "negative", desired: 3, series: newest(-1), count: 3, rule: scaler.RuleNoData, reason: reason},
		decision{name: "stale", desired: 3, series: aged(70 * time.Second), count: 3, rule: scaler.RuleNoData, reason: reason},
		decision{
			name: "a minute old is not stale yet", desired: 3, series: aged(time.Minute), count: 4, rule: scaler.RuleUp,
			reason: "1000 requests a minute is 333.33 % of 3 instances, above 90 %; 10 instances called for (the maximum), 4 for now by scale_up_step",
		},
		decision{
			name: "at zero", policy: []string{"min_instances", "0"},
			desired: 0, series: newest(math.NaN()), count: 0, rule: scaler.RuleNoData, reason: reason,
		},
	)
}

func TestRule5LoadWakesAnAppFromZero(t *testing.T) {
	decisions(t,
		decision{
			name: "for one request", policy: []string{"min_instances", "0"},
			desired: 0, series: steady(1, 0),
			count: 1, rule: scaler.RuleActivate, reason: "woken by 1 request a minute; 1 instance called for",
		},
		decision{
			name: "straight to the goal, whatever the step", policy: []string{"min_instances", "0", "metric", "concurrency"},
			desired: 0, series: steady(5, 0),
			count: 5, rule: scaler.RuleActivate, reason: "woken by 5 requests at a time; 5 instances called for",
		},
		decision{
			name: "with the buffer", policy: []string{"min_instances", "0", "buffer_instances", "2"},
			desired: 0, series: steady(91, 0),
			count: 4, rule: scaler.RuleActivate, reason: "woken by 91 requests a minute; 4 instances called for (with 2 buffer)",
		},
		decision{
			name: "to the maximum at most", policy: []string{"min_instances", "0", "buffer_instances", "2"},
			desired: 0, series: steady(1e9, 0),
			count: 10, rule: scaler.RuleActivate, reason: "woken by 1000000000 requests a minute; 10 instances called for (with 2 buffer, the maximum)",
		},
		decision{
			name: "within both cooldowns", policy: []string{"min_instances", "0"},
			desired: 0, series: steady(1, 0), lastUp: ago(time.Second), lastChange: ago(time.Second),
			count: 1, rule: scaler.RuleActivate, reason: "woken by 1 request a minute; 1 instance called for",
		},
		decision{
			name: "by a custom metric", policy: []string{"min_instances", "0", "metric", "custom", "target_per_instance", "2"},
			desired: 0, series: steady(2.5, 0),
			count: 2, rule: scaler.RuleActivate, reason: "woken by a load of 2.5; 2 instances called for",
		},
		decision{
			name: "and nothing else does", policy: []string{"min_instances", "0", "buffer_instances", "2"},
			desired: 0, series: steady(0, 0),
			count: 0, rule: scaler.RuleAtZero, reason: "at zero without load",
		},
		decision{
			name: "nor load that was", policy: []string{"min_instances", "0"},
			desired: 0, series: with(steady(0, 10*time.Minute), map[time.Duration]float64{interval: 50}),
			count: 0, rule: scaler.RuleAtZero, reason: "at zero without load",
		},
	)
}

// A burst after the request that scaled the app up from zero does not wait.
func TestWakingDoesNotStartTheUpCooldown(t *testing.T) {
	p := parse(t, "min_instances", "0", "scale_up_step", "0")
	first := scaler.Decide(p, scaler.Observation{Now: now, Desired: 0, Series: steady(1, 0)})
	if first.Rule != scaler.RuleActivate || first.StartsUpCooldown() {
		t.Fatalf("%s, starts the cooldown: %t", first.Rule, first.StartsUpCooldown())
	}
	for _, rule := range []scaler.Rule{scaler.RuleBelowMin, scaler.RuleActivate, scaler.RuleDown, scaler.RuleHold} {
		if (scaler.Decision{Rule: rule}).StartsUpCooldown() {
			t.Errorf("%s starts the up cooldown", rule)
		}
	}

	burst := scaler.Decide(p, scaler.Observation{Now: now, Desired: first.Count, Series: steady(450, 0), LastChange: ago(time.Second)})
	if burst.Count != 5 || burst.Rule != scaler.RuleUp || !burst.StartsUpCooldown() {
		t.Errorf("%d by %s, starts the cooldown: %t", burst.Count, burst.Rule, burst.StartsUpCooldown())
	}
}

func TestRule6AnInactiveAppFallsToTheMinimum(t *testing.T) {
	idle := func() []scaler.Sample { return steady(0, 10*time.Minute) }
	decisions(t,
		decision{
			name: "to zero, whatever the step", policy: []string{"min_instances", "0"},
			desired: 5, series: idle(),
			count: 0, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name:    "to one",
			desired: 5, series: idle(),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name: "the buffer too", policy: []string{"buffer_instances", "2"},
			desired: 3, series: idle(),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name: "within both cooldowns", policy: []string{"min_instances", "0"},
			desired: 5, series: idle(), lastUp: ago(time.Second), lastChange: ago(time.Second),
			count: 0, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name: "after its own time", policy: []string{"stop_after_inactive", "90s"},
			desired: 5, series: with(idle(), map[time.Duration]float64{100 * time.Second: 70}),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 1m30s",
		},
		decision{
			name:    "though the load before was high",
			desired: 5, series: with(steady(0, 11*time.Minute), map[time.Duration]float64{11 * time.Minute: 900}),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name:    "though some samples are unknown",
			desired: 5, series: with(idle(), map[time.Duration]float64{30 * time.Second: math.NaN(), 5 * time.Minute: -1}),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
		decision{
			name:    "with a sample only once a minute",
			desired: 5, series: without(idle(), 9*time.Minute-interval, 8*time.Minute+interval),
			count: 1, rule: scaler.RuleInactive, reason: "no load for 10m",
		},
	)
}

// An app is inactive only if all of the time was observed and without load.
func TestRule6WhateverMightBeActiveIsNotInactive(t *testing.T) {
	const kept = "no load now, but not yet for 10m"
	zero := []string{"min_instances", "0"}
	decisions(t,
		decision{
			name: "one request in ten minutes", policy: zero,
			desired: 1, series: with(steady(0, 10*time.Minute), map[time.Duration]float64{5 * time.Minute: 1}),
			count: 1, rule: scaler.RuleHold, reason: kept,
		},
		decision{
			name: "one just as the time began", policy: zero,
			desired: 1, series: with(steady(0, 10*time.Minute), map[time.Duration]float64{10 * time.Minute: 1}),
			count: 1, rule: scaler.RuleHold, reason: kept,
		},
		decision{
			name: "a series too short", policy: zero,
			desired: 1, series: steady(0, 10*time.Minute-interval),
			count: 1, rule: scaler.RuleHold, reason: kept,
		},
		decision{
			name: "a gap of more than a minute", policy: zero,
			desired: 1, series: without(steady(0, 10*time.Minute), 9*time.Minute-interval, 8*time.Minute),
			count: 1, rule: scaler.RuleHold, reason: kept,
		},
		decision{
			name: "unknown for more than a minute", policy: zero,
			desired: 1, series: with(without(steady(0, 10*time.Minute), 9*time.Minute-interval, 8*time.Minute), map[time.Duration]float64{510 * time.Second: math.NaN()}),
			count: 1, rule: scaler.RuleHold, reason: kept,
		},
	)
}

// A gateway that has just started does not know the load before. The app may be
// active, so its instances stay, and no instance starts.
func TestLoadThatOnlyMightHaveBeenStartsNothing(t *testing.T) {
	buffered := []string{"min_instances", "1", "buffer_instances", "3"}
	decisions(t,
		decision{
			name: "at the minimum", policy: buffered,
			desired: 1, series: steady(0, interval),
			count: 1, rule: scaler.RuleHold, reason: "no load now, but not yet for 10m",
		},
		decision{
			name: "above it", policy: buffered,
			desired: 4, series: steady(0, interval),
			count: 4, rule: scaler.RuleHold, reason: "no load now, but not yet for 10m",
		},
		decision{
			name: "load that was does start the buffer", policy: buffered,
			desired: 1, series: with(steady(0, interval), map[time.Duration]float64{interval: 1}),
			count: 2, rule: scaler.RuleUp, reason: "0 requests a minute is 0 % of 1 instance; 4 instances called for (with 3 buffer), 2 for now by scale_up_step",
		},
	)
}

func TestRule7HighLoadGoesUp(t *testing.T) {
	decisions(t,
		decision{
			name:    "above the threshold",
			desired: 1, series: steady(91, 0),
			count: 2, rule: scaler.RuleUp, reason: "91 requests a minute is 91 % of 1 instance, above 90 %; 2 instances called for",
		},
		decision{
			name:    "at the threshold it does not",
			desired: 3, series: steady(270, 0),
			count: 3, rule: scaler.RuleHold, reason: "270 requests a minute is 90 % of 3 instances; 3 instances called for",
		},
		decision{
			name:    "by the step",
			desired: 1, series: steady(450, 0),
			count: 2, rule: scaler.RuleUp, reason: "450 requests a minute is 450 % of 1 instance, above 90 %; 5 instances called for, 2 for now by scale_up_step",
		},
		decision{
			name: "by a step of 3", policy: []string{"scale_up_step", "3"},
			desired: 1, series: steady(450, 0),
			count: 4, rule: scaler.RuleUp, reason: "450 requests a minute is 450 % of 1 instance, above 90 %; 5 instances called for, 4 for now by scale_up_step",
		},
		decision{
			name: "at once with a step of 0", policy: []string{"scale_up_step", "0"},
			desired: 1, series: steady(450, 0),
			count: 5, rule: scaler.RuleUp, reason: "450 requests a minute is 450 % of 1 instance, above 90 %; 5 instances called for",
		},
		decision{
			name: "no further than called for", policy: []string{"scale_up_step", "8"},
			desired: 1, series: steady(180, 0),
			count: 2, rule: scaler.RuleUp, reason: "180 requests a minute is 180 % of 1 instance, above 90 %; 2 instances called for",
		},
		decision{
			name: "no further than the maximum", policy: []string{"scale_up_step", "0"},
			desired: 9, series: steady(9999, 0),
			count: 10, rule: scaler.RuleUp, reason: "9999 requests a minute is 1111 % of 9 instances, above 90 %; 10 instances called for (the maximum)",
		},
		decision{
			name: "the buffer carries nothing", policy: []string{"buffer_instances", "1"},
			desired: 2, series: steady(91, 0),
			count: 3, rule: scaler.RuleUp, reason: "91 requests a minute is 91 % of 1 instance, above 90 %; 3 instances called for (with 1 buffer)",
		},
		decision{
			name: "a missing buffer is started", policy: []string{"buffer_instances", "1"},
			desired: 1, series: steady(5, 0),
			count: 2, rule: scaler.RuleUp, reason: "5 requests a minute is 5 % of 1 instance; 2 instances called for (with 1 buffer)",
		},
		decision{
			name: "queued requests are load", policy: []string{"metric", "concurrency", "scale_up_step", "0"},
			desired: 2, series: steady(6, 0),
			count: 6, rule: scaler.RuleUp, reason: "6 requests at a time is 300 % of 2 instances, above 100 %; 6 instances called for",
		},
	)
}

func TestRule7UpCooldown(t *testing.T) {
	decisions(t,
		decision{
			name:    "waits to the end",
			desired: 1, series: steady(150, 0), lastUp: ago(5*time.Minute - time.Millisecond), lastChange: ago(5*time.Minute - time.Millisecond),
			count: 1, rule: scaler.RuleHold, reason: "150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for, but scale_up_cooldown has 1s left",
		},
		decision{
			name:    "is over at its end",
			desired: 1, series: steady(150, 0), lastUp: ago(5 * time.Minute), lastChange: ago(5 * time.Minute),
			count: 2, rule: scaler.RuleUp, reason: "150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for",
		},
		decision{
			name:    "is not started by a change down",
			desired: 1, series: steady(150, 0), lastUp: ago(time.Hour), lastChange: ago(time.Second),
			count: 2, rule: scaler.RuleUp, reason: "150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for",
		},
		decision{
			name: "of 0 never waits", policy: []string{"scale_up_cooldown", "0"},
			desired: 1, series: steady(150, 0), lastUp: now, lastChange: now,
			count: 2, rule: scaler.RuleUp, reason: "150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for",
		},
		decision{
			name:    "begins now when the clock was set back",
			desired: 1, series: steady(150, 0), lastUp: now.Add(time.Hour), lastChange: now.Add(time.Hour),
			count: 1, rule: scaler.RuleHold, reason: "150 requests a minute is 150 % of 1 instance, above 90 %; 2 instances called for, but scale_up_cooldown has 5m left",
		},
	)
}

func TestRule8LowLoadGoesDown(t *testing.T) {
	decisions(t,
		decision{
			name:    "by the step",
			desired: 5, series: steady(20, time.Minute),
			count: 4, rule: scaler.RuleDown, reason: "20 requests a minute is 4 % of 5 instances, below 30 %; 1 instance called for (the minimum), 4 for now by scale_down_step",
		},
		decision{
			name: "by a step of 3", policy: []string{"scale_down_step", "3"},
			desired: 5, series: steady(20, time.Minute),
			count: 2, rule: scaler.RuleDown, reason: "20 requests a minute is 4 % of 5 instances, below 30 %; 1 instance called for (the minimum), 2 for now by scale_down_step",
		},
		decision{
			name: "at once with a step of 0", policy: []string{"scale_down_step", "0"},
			desired: 5, series: steady(100, time.Minute),
			count: 2, rule: scaler.RuleDown, reason: "100 requests a minute is 20 % of 5 instances, below 30 %; 2 instances called for",
		},
		decision{
			name: "no further than the buffer", policy: []string{"scale_down_step", "0", "buffer_instances", "2"},
			desired: 9, series: steady(20, time.Minute),
			count: 3, rule: scaler.RuleDown, reason: "20 requests a minute is 2.86 % of 7 instances, below 30 %; 3 instances called for (with 2 buffer)",
		},
		decision{
			name: "no further than the minimum", policy: []string{"scale_down_step", "0", "min_instances", "3"},
			desired: 9, series: steady(20, time.Minute),
			count: 3, rule: scaler.RuleDown, reason: "20 requests a minute is 2.22 % of 9 instances, below 30 %; 3 instances called for (the minimum)",
		},
		decision{
			name:    "at the threshold it does not",
			desired: 2, series: steady(60, time.Minute),
			count: 2, rule: scaler.RuleHold, reason: "60 requests a minute is 30 % of 2 instances, not below 30 %",
		},
		decision{
			// 3/5/6 is slightly below 0.1 in floating point.
			name: "at the threshold but for rounding", policy: []string{"target_requests_per_instance", "5", "scale_down_threshold", "0.1"},
			desired: 6, series: steady(3, time.Minute),
			count: 6, rule: scaler.RuleHold, reason: "3 requests a minute is 10 % of 6 instances, not below 10 %",
		},
		decision{
			name: "not on a tiny threshold's account", policy: []string{"min_instances", "0", "scale_down_threshold", "1e-12"},
			desired: 2, series: with(steady(0, 10*time.Minute), map[time.Duration]float64{interval: 1}),
			count: 1, rule: scaler.RuleDown, reason: "0 requests a minute is 0 % of 2 instances, below 0 %; 1 instance called for",
		},
		decision{
			name:    "not before the load was observed for a minute",
			desired: 5, series: steady(20, time.Minute-interval),
			count: 5, rule: scaler.RuleSettling, reason: "20 requests a minute is 4 % of 5 instances, below 30 %; 1 instance called for (the minimum), but the load has not been watched for a minute yet",
		},
		decision{
			name:    "nor without a gap",
			desired: 5, series: without(steady(20, 2*time.Minute), 100*time.Second, interval),
			count: 5, rule: scaler.RuleSettling, reason: "20 requests a minute is 4 % of 5 instances, below 30 %; 1 instance called for (the minimum), but the load has not been watched for a minute yet",
		},
	)
}

func TestRule8DownCooldown(t *testing.T) {
	decisions(t,
		decision{
			name:    "waits to the end",
			desired: 3, series: steady(20, time.Minute), lastChange: ago(8*time.Minute + 30*time.Second),
			count: 3, rule: scaler.RuleHold, reason: "20 requests a minute is 6.67 % of 3 instances, below 30 %; 1 instance called for (the minimum), but scale_down_cooldown has 1m30s left",
		},
		decision{
			name:    "is over at its end",
			desired: 2, series: steady(20, time.Minute), lastChange: ago(10 * time.Minute),
			count: 1, rule: scaler.RuleDown, reason: "20 requests a minute is 10 % of 2 instances, below 30 %; 1 instance called for (the minimum)",
		},
		decision{
			name:    "runs from the last change, up as well as down",
			desired: 2, series: steady(20, time.Minute), lastUp: ago(time.Minute), lastChange: ago(time.Minute),
			count: 2, rule: scaler.RuleHold, reason: "20 requests a minute is 10 % of 2 instances, below 30 %; 1 instance called for (the minimum), but scale_down_cooldown has 9m left",
		},
		decision{
			name: "runs from a waking, which starts no up cooldown", policy: []string{"min_instances", "0"},
			desired: 2, series: steady(20, time.Minute), lastChange: ago(time.Minute),
			count: 2, rule: scaler.RuleHold, reason: "20 requests a minute is 10 % of 2 instances, below 30 %; 1 instance called for, but scale_down_cooldown has 9m left",
		},
		decision{
			name: "of 0 never waits", policy: []string{"scale_down_cooldown", "0"},
			desired: 2, series: steady(20, time.Minute), lastChange: now,
			count: 1, rule: scaler.RuleDown, reason: "20 requests a minute is 10 % of 2 instances, below 30 %; 1 instance called for (the minimum)",
		},
		decision{
			name:    "begins now when the clock was set back",
			desired: 2, series: steady(20, time.Minute), lastChange: now.Add(24 * time.Hour),
			count: 2, rule: scaler.RuleHold, reason: "20 requests a minute is 10 % of 2 instances, below 30 %; 1 instance called for (the minimum), but scale_down_cooldown has 10m left",
		},
	)
}

func TestRule9OtherwiseHolds(t *testing.T) {
	decisions(t,
		decision{
			name:    "between the thresholds",
			desired: 2, series: steady(120, 10*time.Minute),
			count: 2, rule: scaler.RuleHold, reason: "120 requests a minute is 60 % of 2 instances; 2 instances called for",
		},
		decision{
			name:    "more than called for, but not by enough",
			desired: 3, series: steady(120, 10*time.Minute),
			count: 3, rule: scaler.RuleHold, reason: "120 requests a minute is 40 % of 3 instances, not below 30 %",
		},
		decision{
			name:    "low load on the last instance",
			desired: 1, series: steady(2, 10*time.Minute),
			count: 1, rule: scaler.RuleHold, reason: "2 requests a minute is 2 % of 1 instance; 1 instance called for (the minimum)",
		},
		decision{
			name:    "high load on the most instances",
			desired: 10, series: steady(5000, 10*time.Minute),
			count: 10, rule: scaler.RuleHold, reason: "5000 requests a minute is 500 % of 10 instances, but 10 is max_instances",
		},
		decision{
			name:    "no load on the fewest instances",
			desired: 1, series: steady(0, 10*time.Minute),
			count: 1, rule: scaler.RuleHold, reason: "no load, and 1 is min_instances",
		},
		decision{
			name:    "samples from a clock that is ahead count as now",
			desired: 2, series: append(steady(120, 10*time.Minute), scaler.Sample{Time: now.Add(time.Minute), Value: 130}),
			count: 2, rule: scaler.RuleHold, reason: "130 requests a minute is 65 % of 2 instances; 2 instances called for",
		},
	)
}
