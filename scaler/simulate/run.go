// Package simulate tries a policy on a load before it is applied.
//
// [Run] replays a trace through the decision function that the strategy plugin
// and the gateway call. Its [Result] says how many instances there would have been
// and why, how busy they were and what they cost. Nothing here does I/O or reads a
// clock.
package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// DefaultStep is the autoscaler's default evaluation interval.
const DefaultStep = 10 * time.Second

// Options say how a trace is replayed.
type Options struct {
	// Step is the time between two evaluations, evaluation_interval in the
	// scaling block; 0 means [DefaultStep].
	Step time.Duration
	// StartDelay is how long an instance takes from the request for it until it
	// is ready.
	StartDelay time.Duration
	// From and To bound the time that the result covers; zero means the trace's
	// start and end. The time before From is replayed too, so that the count at
	// From is right.
	From, To time.Time
	// WithoutGateway leaves every decision to the evaluations. Otherwise the
	// gateway wakes and grows the app when the load changes, at the points of the
	// trace, and when a cooldown ends. It does not see a custom metric.
	WithoutGateway bool
}

const (
	never = time.Duration(math.MaxInt64)

	// maxEvaluations allows a year of one evaluation a second, which takes about
	// ten seconds to compute.
	maxEvaluations = 40_000_000

	// scaleUpPause is the gateway's pause between two scale-ups of an app.
	scaleUpPause = time.Second
)

// Run replays a trace from its start, with min_instances ready. Its error names
// the option, or says what is wrong with the trace.
func Run(p scaler.Policy, t trace.Trace, o Options) (Result, error) {
	if err := t.Check(); err != nil {
		return Result{}, err
	}
	if t.Metric != "" && t.Metric != p.Metric {
		return Result{}, fmt.Errorf("the load is in %s, and the policy's metric is %s: they must be the same", t.Metric, p.Metric)
	}
	if o.Step == 0 {
		o.Step = DefaultStep
	}
	if o.From.IsZero() {
		o.From = t.Start()
	}
	if o.To.IsZero() {
		o.To = t.End
	}
	if err := o.check(t); err != nil {
		return Result{}, err
	}
	s := newSimulation(p, t, o)
	for {
		s.replayInstant()
		next := min(s.evaluation, s.nextPoint, s.retry, s.instances.nextReady(), s.end)
		if s.now < s.from {
			next = min(next, s.from)
		} else {
			s.account(next)
		}
		s.now = next
		if next == s.end {
			s.tally.finish(&s.result)
			return s.result, nil
		}
	}
}

func (o Options) check(t trace.Trace) error {
	switch {
	case o.Step < 0 || o.Step > trace.MaxLength:
		return invalid("step", scaler.FormatDuration(o.Step), "above 0, and at most 100 years")
	case t.End.Sub(t.Start())/o.Step > maxEvaluations:
		return invalid("step", scaler.FormatDuration(o.Step), fmt.Sprintf("longer: the trace has more than %d steps", maxEvaluations))
	case o.StartDelay < 0 || o.StartDelay > trace.MaxLength:
		return invalid("start delay", scaler.FormatDuration(o.StartDelay), "0 or more, and at most 100 years")
	case o.From.Before(t.Start()) || !o.From.Before(o.To):
		return invalid("from", t.FormatTime(o.From),
			fmt.Sprintf("at least %s, the start of the trace, and before %s", t.FormatTime(t.Start()), t.FormatTime(o.To)))
	case o.To.After(t.End):
		return invalid("to", t.FormatTime(o.To), fmt.Sprintf("at most %s, the end of the trace", t.FormatTime(t.End)))
	}
	return nil
}

// invalid is an error that names an option, its value and what is allowed.
func invalid(key, value, allowed string) error {
	return &scaler.ValueError{Key: key, Value: value, Allowed: allowed}
}

// simulation moves from one instant at which something can change to the next.
// Its times count from the start of the trace.
type simulation struct {
	policy  scaler.Policy
	trace   trace.Trace
	options Options
	start   time.Time
	from    time.Duration
	end     time.Duration

	now        time.Duration
	evaluation time.Duration // the next one
	retry      time.Duration // when the gateway next tries to scale up
	index      int           // of the last point at or before now
	nextPoint  time.Duration

	load       float64
	instances  instances
	window     window
	lastUp     time.Time
	lastChange time.Time

	result Result
	tally  tally
}

func newSimulation(p scaler.Policy, t trace.Trace, o Options) *simulation {
	return &simulation{
		policy: p, trace: t, options: o,
		start: t.Start(), from: o.From.Sub(t.Start()), end: o.To.Sub(t.Start()),
		retry: never, index: -1,
		instances: instances{desired: p.MinInstances},
		window:    newWindow(p),
		result: Result{
			Policy: p, Start: o.From, End: o.To,
			Step: o.Step, StartDelay: o.StartDelay, WithoutGateway: o.WithoutGateway,
		},
	}
}

// replayInstant applies everything that happens now.
func (s *simulation) replayInstant() {
	s.instances.advance(s.now)
	changed := s.now == s.nextPoint
	if changed {
		s.index++
		s.nextPoint = never
		if s.index+1 < len(s.trace.Points) {
			s.nextPoint = s.trace.Points[s.index+1].Time.Sub(s.start)
		}
	}
	at := s.start.Add(s.now)
	s.load = s.trace.Load(s.index, at)
	evaluated := s.now == s.evaluation
	retried := s.now == s.retry
	if retried {
		s.retry = never
	}
	if evaluated || changed || retried {
		s.window.push(scaler.Sample{Time: at, Value: s.load})
	}
	if s.now >= s.from {
		s.tally.observe(&s.result, s.load, &s.instances)
	}
	switch {
	case evaluated:
		s.evaluation += s.options.Step
		s.decide(at, s.window.series())
	case (changed || retried) && s.load > 0 && s.gatewayDecides():
		s.decide(at, s.window.newest())
	}
	if s.now >= s.from {
		s.record(at)
	}
}

// gatewayDecides reports whether the gateway decides too.
func (s *simulation) gatewayDecides() bool {
	return !s.options.WithoutGateway && s.policy.Metric != scaler.Custom
}

// decide calls the decision function and applies its answer.
func (s *simulation) decide(at time.Time, series []scaler.Sample) {
	d := scaler.Decide(s.policy, scaler.Observation{
		Now: at, Desired: s.instances.desired, Series: series,
		LastUp: s.lastUp, LastChange: s.lastChange,
	})
	if s.gatewayDecides() {
		s.retry = s.nextRetry(d)
	}
	if d.Direction == scaler.None {
		return
	}
	s.instances.scale(d.Count, s.now+s.options.StartDelay)
	s.instances.advance(s.now)
	s.lastChange = at
	if d.StartsUpCooldown() {
		s.lastUp = at
	}
	if s.now >= s.from {
		s.result.Actions = append(s.result.Actions, Action{
			Time: at, From: d.Desired, To: d.Count, Rule: d.Rule, Reason: d.Reason(),
		})
	}
}

// nextRetry is when the gateway tries again to scale up: at the end of the
// cooldown that prevents it now, or soon after a step that was smaller than the
// load calls for.
func (s *simulation) nextRetry(d scaler.Decision) time.Duration {
	switch {
	case d.Goal > d.Desired && d.Wait > 0:
		return s.now + min(d.Wait, trace.MaxLength)
	case d.Direction == scaler.Up && d.Goal > d.Count:
		return s.now + scaleUpPause
	default:
		return never
	}
}

// record appends the count if it has changed.
func (s *simulation) record(at time.Time) {
	desired, ready := s.instances.desired, s.instances.ready()
	counts := s.result.Counts
	if n := len(counts); n == 0 || counts[n-1].Desired != desired || counts[n-1].Ready != ready {
		s.result.Counts = append(counts, Count{Time: at, Desired: desired, Ready: ready})
	}
}

// account adds the time until next to the tally. In it nothing changes but a
// linear load.
func (s *simulation) account(next time.Duration) {
	mean, peak := s.load, s.load
	if s.trace.Linear {
		last := s.trace.Load(s.index, s.start.Add(next))
		mean, peak = (s.load+last)/2, max(s.load, last)
	}
	s.tally.add(&s.result, next-s.now, mean, peak, &s.instances)
}
