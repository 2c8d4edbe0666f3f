package scaler_test

import (
	"encoding/binary"
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// observations draws observations of an app, including gaps, invalid values and
// clocks that disagree.
func observations(p scaler.Policy) *rapid.Generator[scaler.Observation] {
	value := rapid.OneOf(
		rapid.Just(0.0),
		rapid.Float64Range(0, p.Target*float64(p.MaxInstances)*2),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), -1, math.MaxFloat64, math.SmallestNonzeroFloat64}),
	)
	return rapid.Custom(func(t *rapid.T) scaler.Observation {
		o := scaler.Observation{
			Now:     now,
			Desired: rapid.IntRange(-1, p.MaxInstances+3).Draw(t, "desired"),
		}
		age := time.Duration(rapid.IntRange(-5, 70).Draw(t, "age of the newest")) * time.Second
		for range rapid.IntRange(0, 60).Draw(t, "samples") {
			o.Series = append([]scaler.Sample{{Time: ago(age), Value: value.Draw(t, "value")}}, o.Series...)
			age += time.Duration(rapid.IntRange(1, 62).Draw(t, "gap")) * time.Second
		}
		instant := rapid.Map(rapid.IntRange(-100, 2000), func(s int) time.Time { return ago(time.Duration(s) * time.Second) })
		if rapid.Bool().Draw(t, "changed") {
			o.LastChange = instant.Draw(t, "last change")
			if rapid.Bool().Draw(t, "up") {
				o.LastUp = o.LastChange.Add(-time.Duration(rapid.IntRange(0, 1000).Draw(t, "since last up")) * time.Second)
			}
		}
		return o
	})
}

// invariants checks what is true of every decision.
func invariants(t rapid.TB, p scaler.Policy, o scaler.Observation, d scaler.Decision) {
	t.Helper()
	bounded := p.MinInstances <= d.Count && d.Count <= p.MaxInstances
	if d.Rule != scaler.RuleDisabled && !bounded {
		t.Errorf("%d by %s is outside %d to %d", d.Count, d.Rule, p.MinInstances, p.MaxInstances)
	}
	if d.Known && (d.Goal < p.MinInstances || d.Goal > p.MaxInstances) {
		t.Errorf("the goal %d is outside %d to %d", d.Goal, p.MinInstances, p.MaxInstances)
	}
	if (d.Count > o.Desired) != (d.Direction == scaler.Up) || (d.Count < o.Desired) != (d.Direction == scaler.Down) {
		t.Errorf("%s from %d to %d", d.Direction, o.Desired, d.Count)
	}
	within := func(last time.Time, cooldown time.Duration) bool {
		return !last.IsZero() && max(0, o.Now.Sub(last)) < cooldown
	}
	switch d.Rule {
	case scaler.RuleDisabled, scaler.RuleHeld, scaler.RuleNoData, scaler.RuleAtZero, scaler.RuleSettling, scaler.RuleHold:
		if d.Count != o.Desired {
			t.Errorf("%s moves %d to %d", d.Rule, o.Desired, d.Count)
		}
	case scaler.RuleUp:
		if d.Direction != scaler.Up || within(o.LastUp, p.ScaleUpCooldown) {
			t.Errorf("up from %d to %d within the cooldown %v of %v", o.Desired, d.Count, p.ScaleUpCooldown, o.Now.Sub(o.LastUp))
		}
		if p.ScaleUpStep > 0 && d.Count-o.Desired > p.ScaleUpStep {
			t.Errorf("up from %d to %d by a step of %d", o.Desired, d.Count, p.ScaleUpStep)
		}
	case scaler.RuleDown:
		if d.Direction != scaler.Down || within(o.LastChange, p.ScaleDownCooldown) {
			t.Errorf("down from %d to %d within the cooldown %v of %v", o.Desired, d.Count, p.ScaleDownCooldown, o.Now.Sub(o.LastChange))
		}
		if p.ScaleDownStep > 0 && o.Desired-d.Count > p.ScaleDownStep {
			t.Errorf("down from %d to %d by a step of %d", o.Desired, d.Count, p.ScaleDownStep)
		}
	case scaler.RuleBelowMin, scaler.RuleActivate:
		if d.Direction != scaler.Up {
			t.Errorf("%s moves %d to %d", d.Rule, o.Desired, d.Count)
		}
	case scaler.RuleAboveMax, scaler.RuleInactive:
		if d.Direction != scaler.Down {
			t.Errorf("%s moves %d to %d", d.Rule, o.Desired, d.Count)
		}
	default:
		t.Errorf("an unknown rule %q", d.Rule)
	}
	if d.Reason() == "" {
		t.Errorf("%s without a reason", d.Rule)
	}
}

func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		p.Enabled = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
		o := observations(p).Draw(t, "observation")
		d := scaler.Decide(p, o)
		invariants(t, p, o, d)
		if again := scaler.Decide(p, o); again != d {
			t.Errorf("the same input gives %+v and then %+v", d, again)
		}
	})
}

// Sizing and threshold are the same condition.
func TestUtilisationIsAboveTheThresholdWhenMoreIsCalledFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		least := max(p.MinInstances, p.BufferInstances+1)
		if least >= p.MaxInstances {
			p.MaxInstances = least + 1
		}
		desired := rapid.IntRange(least, p.MaxInstances-1).Draw(t, "desired")
		carriers := float64(desired - p.BufferInstances)
		load := rapid.OneOf(
			rapid.Float64Range(0, 2),
			rapid.Float64Range(1-1e-6, 1+1e-6),
		).Draw(t, "load against the threshold") * carriers * p.Target * p.ScaleUpThreshold
		if load == 0 {
			return
		}
		d := scaler.Decide(p, scaler.Observation{Now: now, Desired: desired, Series: steady(load, 0)})
		switch ratio := d.Utilisation / p.ScaleUpThreshold; {
		case ratio > 1+1e-8 && d.Goal <= desired:
			t.Errorf("utilisation %v is above %v, and %d of %d are called for", d.Utilisation, p.ScaleUpThreshold, d.Goal, desired)
		case ratio < 1 && d.Goal > desired:
			t.Errorf("utilisation %v is not above %v, and %d of %d are called for", d.Utilisation, p.ScaleUpThreshold, d.Goal, desired)
		}
	})
}

func TestAnActionDownNeverProvokesOneUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		o := observations(p).Draw(t, "observation")
		first := scaler.Decide(p, o)
		if first.Direction != scaler.Down {
			return
		}
		o.Desired, o.LastUp, o.LastChange = first.Count, time.Time{}, o.Now
		if next := scaler.Decide(p, o); next.Direction == scaler.Up {
			t.Errorf("down to %d by %s, then up to %d by %s", first.Count, first.Rule, next.Count, next.Rule)
		}
	})
}

// A constant load changes the count in one direction, and then no longer.
func TestConstantLoadNeverFlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		load := rapid.OneOf(
			rapid.Just(0.0),
			rapid.Float64Range(0, 1.2).Filter(func(f float64) bool { return f > 0 }),
		).Draw(t, "load against all instances") * p.Target * float64(p.MaxInstances)
		o := scaler.Observation{Desired: rapid.IntRange(0, p.MaxInstances+3).Draw(t, "desired")}

		// The slowest way is 43 steps of 1 with cooldowns of 1000 seconds.
		const evaluations, period, settled = 1000, 50 * time.Second, 900
		window := int(p.StopAfterInactive/period) + 2
		var moved scaler.Direction
		var series []scaler.Sample
		for i := range evaluations {
			o.Now = now.Add(time.Duration(i) * period)
			series = append(series, scaler.Sample{Time: o.Now, Value: load})
			o.Series = series[max(0, len(series)-window):]
			d := scaler.Decide(p, o)
			invariants(t, p, o, d)
			if d.Direction == scaler.None {
				continue
			}
			if moved != "" && d.Direction != moved {
				t.Fatalf("%s to %d by %s after %s, with a load of %v that never changed", d.Direction, d.Count, d.Rule, moved, load)
			}
			if i >= settled {
				t.Fatalf("still moving %s to %d by %s after %d evaluations", d.Direction, d.Count, d.Rule, i)
			}
			moved, o.Desired, o.LastChange = d.Direction, d.Count, o.Now
			if d.StartsUpCooldown() {
				o.LastUp = o.Now
			}
		}
	})
}

func FuzzDecide(f *testing.F) {
	sample := func(value float64, age time.Duration) []byte {
		b := binary.LittleEndian.AppendUint64(nil, math.Float64bits(value))
		return binary.LittleEndian.AppendUint64(b, uint64(age))
	}
	f.Add(0, 10, 1, 3, 100.0, 0.9, 0.3, 1, 0, int64(time.Minute), int64(time.Second), int64(0), append(sample(0, time.Minute), sample(500, 0)...))
	f.Add(1, 1, 0, -7, 1e-300, 1e300, 1e-300, 0, 0, int64(0), int64(math.MinInt64), int64(math.MaxInt64), sample(math.MaxFloat64, -time.Hour))
	f.Add(5, 1000000000, 1000000000, math.MaxInt32, 1.0, 1.0, 0.5, 1, 1, int64(math.MaxInt64), int64(1), int64(1), sample(math.NaN(), 0))
	f.Fuzz(func(t *testing.T, least, most, buffer, desired int, target, up, down float64, upStep, downStep int, cooldown, lastUp, lastChange int64, raw []byte) {
		number := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
		duration := time.Duration(cooldown).String()
		p, err := scaler.Parse(document(
			"min_instances", strconv.Itoa(least), "max_instances", strconv.Itoa(most), "buffer_instances", strconv.Itoa(buffer),
			"target_requests_per_instance", number(target), "scale_up_threshold", number(up), "scale_down_threshold", number(down),
			"scale_up_step", strconv.Itoa(upStep), "scale_down_step", strconv.Itoa(downStep),
			"scale_up_cooldown", duration, "scale_down_cooldown", duration, "stop_after_inactive", duration,
		))
		if err != nil {
			return
		}
		o := scaler.Observation{Now: now, Desired: desired, LastUp: ago(time.Duration(lastUp)), LastChange: ago(time.Duration(lastChange))}
		for ; len(raw) >= 16; raw = raw[16:] {
			o.Series = append(o.Series, scaler.Sample{
				Value: math.Float64frombits(binary.LittleEndian.Uint64(raw)),
				Time:  ago(time.Duration(binary.LittleEndian.Uint64(raw[8:]))),
			})
		}
		invariants(t, p, o, scaler.Decide(p, o))
	})
}
