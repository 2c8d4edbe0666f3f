package simulate_test

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// trial draws a policy, a trace and options, all in whole seconds.
func trial(t *rapid.T) (scaler.Policy, trace.Trace, simulate.Options) {
	within := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
	text := func(name string, least, most int) string { return strconv.Itoa(within(name, least, most)) }
	metric := rapid.SampledFrom([]scaler.Metric{scaler.RequestsPerMinute, scaler.Concurrency, scaler.Custom}).Draw(t, "metric")
	least := within("min", 0, 3)
	p := policy(t,
		"metric", string(metric), metric.TargetKey(), "10",
		"min_instances", strconv.Itoa(least), "max_instances", text("max", max(least, 1), 12), "buffer_instances", text("buffer", 0, 2),
		"scale_up_threshold", "0.8", "scale_up_step", text("up step", 0, 3), "scale_down_step", text("down step", 0, 3),
		"scale_up_cooldown", text("up cooldown", 0, 120), "scale_down_cooldown", text("down cooldown", 0, 120),
		"stop_after_inactive", text("stop after inactive", 10, 400), "price_per_instance_second", "0.25",
	)
	load := rapid.OneOf(
		rapid.Just(0.0),
		rapid.Float64Range(0, 150),
		rapid.Map(rapid.IntRange(0, 12), func(n int) float64 { return 8 * float64(n) }),
		rapid.Just(math.NaN()),
	)
	tr := trace.Trace{Linear: rapid.Bool().Draw(t, "linear")}
	at := after(0)
	for range within("points", 1, 30) {
		tr.Points = append(tr.Points, scaler.Sample{Time: at, Value: load.Draw(t, "load")})
		at = at.Add(time.Duration(within("gap", 1, 150)) * time.Second)
	}
	tr.End = at
	return p, tr, simulate.Options{
		Step:           time.Duration(within("step", 1, 90)) * time.Second,
		StartDelay:     time.Duration(within("start delay", 0, 40)) * time.Second,
		WithoutGateway: rapid.Bool().Draw(t, "without gateway"),
	}
}

// The actions keep the bounds, cooldowns and steps as every decision does, and each
// starts from the count of the one before it.
func TestActionsKeepTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tr, o := trial(t)
		r := run(t, p, tr, o)
		count := p.MinInstances
		var lastUp, lastChange time.Time
		waited := func(a simulate.Action, since time.Time, cooldown time.Duration) bool {
			return since.IsZero() || a.Time.Sub(since) >= cooldown
		}
		for _, a := range r.Actions {
			if a.From != count || a.To == count || a.Reason == "" {
				t.Fatalf("from %d: %+v", count, a)
			}
			if a.To < p.MinInstances || a.To > p.MaxInstances {
				t.Fatalf("%+v is outside %d to %d", a, p.MinInstances, p.MaxInstances)
			}
			switch a.Rule {
			case scaler.RuleUp:
				if a.To < a.From || !waited(a, lastUp, p.ScaleUpCooldown) || p.ScaleUpStep > 0 && a.To-a.From > p.ScaleUpStep {
					t.Fatalf("%+v after %v", a, a.Time.Sub(lastUp))
				}
				lastUp = a.Time
			case scaler.RuleDown:
				if a.To > a.From || !waited(a, lastChange, p.ScaleDownCooldown) || p.ScaleDownStep > 0 && a.From-a.To > p.ScaleDownStep {
					t.Fatalf("%+v after %v", a, a.Time.Sub(lastChange))
				}
			case scaler.RuleActivate:
				if a.From != 0 || a.To == 0 {
					t.Fatalf("%+v", a)
				}
			case scaler.RuleInactive:
				if a.To != p.MinInstances {
					t.Fatalf("%+v", a)
				}
			default:
				t.Fatalf("%+v", a)
			}
			count, lastChange = a.To, a.Time
		}
	})
}

// No instance is lost or invented. What is paid for is the integral of the counts, and
// the sum of the lives of the instances that the actions start and stop, the newest
// first. The instances that have lived longer than the start delay are ready.
func TestInstancesAreConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tr, o := trial(t)
		r := run(t, p, tr, o)

		var integral float64
		for i, c := range r.Counts {
			end := r.End
			if i+1 < len(r.Counts) {
				end = r.Counts[i+1].Time
			}
			integral += float64(c.Desired) * end.Sub(c.Time).Seconds()
		}

		type life struct{ begin, end time.Time }
		var lives []life
		var living []time.Time // when each that is left has begun
		for range p.MinInstances {
			living = append(living, r.Start.Add(-time.Hour))
		}
		for _, a := range r.Actions {
			for len(living) < a.To {
				living = append(living, a.Time)
			}
			for len(living) > a.To {
				lives = append(lives, life{living[len(living)-1], a.Time})
				living = living[:len(living)-1]
			}
		}
		for _, begin := range living {
			lives = append(lives, life{begin, r.End})
		}
		var lived float64
		for _, l := range lives {
			lived += l.end.Sub(l.begin).Seconds()
			if l.begin.Before(r.Start) {
				lived -= r.Start.Sub(l.begin).Seconds()
			}
		}
		for _, sum := range []float64{integral, lived, r.MeanCount * r.Length().Seconds(), r.Cost / 0.25} {
			if math.Abs(sum-r.InstanceSeconds) > 1e-6*max(1, r.InstanceSeconds) {
				t.Fatalf("%v instance-seconds, but %v", r.InstanceSeconds, sum)
			}
		}
		for at := r.Start; at.Before(r.End); at = at.Add(time.Second) {
			ready := 0
			for _, l := range lives {
				if !at.Before(l.begin.Add(o.StartDelay)) && at.Before(l.end) {
					ready++
				}
			}
			if c := counted(r, at); c.Ready != ready {
				t.Fatalf("%d ready at %s, want %d", c.Ready, r.FormatTime(at), ready)
			}
		}
	})
}

// A constant load changes the count in one direction, and then no longer.
func TestConstantLoadNeverFlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tr, o := trial(t)
		tr.Points = tr.Points[:1]
		tr.Points[0].Value = rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 150)).Draw(t, "constant load")
		tr.End = after(2 * time.Hour)
		r := run(t, p, tr, o)
		for _, a := range r.Actions {
			if (a.To > a.From) != (r.Actions[0].To > r.Actions[0].From) {
				t.Fatalf("%+v after %+v", a, r.Actions[0])
			}
			// At most 12 instances, one every 120 seconds or one evaluation.
			if a.Time.After(after(time.Hour)) {
				t.Fatalf("still moving: %+v", a)
			}
		}
	})
}

// The simulation leaves out samples that cannot change a decision, and jumps from one
// instant at which something can change to the next. This one passes every sample to
// the decision function, and stops at every second.
func TestAgreesWithASimulationThatLeavesNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tr, o := trial(t)
		r := run(t, p, tr, o)

		obs := scaler.Observation{Desired: p.MinInstances}
		var want []simulate.Action
		gateway := !o.WithoutGateway && p.Metric != scaler.Custom
		var retry time.Time
		decide := func(series []scaler.Sample) {
			shown := obs
			shown.Series = series
			d := scaler.Decide(p, shown)
			retry = time.Time{}
			switch {
			case !gateway:
			case d.Wait > 0 && d.Goal > d.Desired:
				retry = obs.Now.Add(d.Wait)
			case d.Direction == scaler.Up && d.Count < d.Goal:
				retry = obs.Now.Add(time.Second)
			}
			if d.Direction == scaler.None {
				return
			}
			want = append(want, simulate.Action{Time: obs.Now, From: d.Desired, To: d.Count, Rule: d.Rule, Reason: d.Reason()})
			obs.Desired, obs.LastChange = d.Count, obs.Now
			if d.StartsUpCooldown() {
				obs.LastUp = obs.Now
			}
		}
		for obs.Now = tr.Start(); obs.Now.Before(tr.End); obs.Now = obs.Now.Add(time.Second) {
			point := slices.ContainsFunc(tr.Points, func(s scaler.Sample) bool { return s.Time.Equal(obs.Now) })
			evaluated := obs.Now.Sub(tr.Start())%o.Step == 0
			retried := retry.Equal(obs.Now)
			if !point && !evaluated && !retried {
				continue
			}
			load := loadAt(tr, obs.Now)
			obs.Series = append(obs.Series, scaler.Sample{Time: obs.Now, Value: load})
			switch {
			case evaluated:
				decide(obs.Series)
			case gateway && load > 0:
				decide(obs.Series[len(obs.Series)-1:])
			}
		}
		if diff := cmp.Diff(want, r.Actions); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func loadAt(tr trace.Trace, at time.Time) float64 {
	i := len(tr.Points) - 1
	for tr.Points[i].Time.After(at) {
		i--
	}
	from := tr.Points[i]
	if !tr.Linear || i == len(tr.Points)-1 || from.Time.Equal(at) {
		return from.Value
	}
	to := tr.Points[i+1]
	return from.Value + at.Sub(from.Time).Seconds()/to.Time.Sub(from.Time).Seconds()*(to.Value-from.Value)
}
