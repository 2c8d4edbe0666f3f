package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// DefaultStep is the autoscaler's default time between two evaluations.
const DefaultStep = 10 * time.Second

// Options say how a trace is replayed.
type Options struct {
	// Step is the time between two evaluations, evaluation_interval in the
	// scaling block; 0 means [DefaultStep].
	Step time.Duration
	// StartDelay is how long an instance that was asked for takes to be ready.
	StartDelay time.Duration
	// From and To bound what the result tells of; zero means the trace's start
	// and end. What is before From is replayed too, so that the count at From is
	// what it would be.
	From, To time.Time
	// WithoutGateway leaves every decision to the evaluations. Otherwise the
	// gateway wakes and grows the app when the load changes, at the points of the
	// trace, and when a cooldown is over. A custom metric it does not see.
	WithoutGateway bool
}

const (
	never = time.Duration(math.MaxInt64)

	// maxEvaluations is a year at a second, and about ten seconds of computing.
	maxEvaluations = 40_000_000

	// growPause is how soon after growing an app the gateway can do so again.
	growPause = time.Second
)

// Run replays a trace from its start, with min_instances ready. Its error names
// the option or the trace that cannot be used.
func Run(p scaler.Policy, t Trace, o Options) (Result, error) {
	if err := t.check(); err != nil {
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
		s.instant()
		next := min(s.evaluation, s.nextPoint, s.grow, s.instances.nextReady(), s.end)
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

func (o Options) check(t Trace) error {
	switch {
	case o.Step < 0 || o.Step > maxLength:
		return wrong("step", scaler.FormatDuration(o.Step), "above 0, and at most 100 years")
	case t.End.Sub(t.Start())/o.Step > maxEvaluations:
		return wrong("step", scaler.FormatDuration(o.Step), fmt.Sprintf("longer: there are more than %d of it in the trace", maxEvaluations))
	case o.StartDelay < 0 || o.StartDelay > maxLength:
		return wrong("start delay", scaler.FormatDuration(o.StartDelay), "0 or more, and at most 100 years")
	case o.From.Before(t.Start()) || !o.From.Before(o.To):
		return wrong("from", t.FormatTime(o.From), fmt.Sprintf("from %s on, the start of the trace, and before %s", t.FormatTime(t.Start()), t.FormatTime(o.To)))
	case o.To.After(t.End):
		return wrong("to", t.FormatTime(o.To), fmt.Sprintf("at most %s, the end of the trace", t.FormatTime(t.End)))
	}
	return nil
}

// simulation goes from one instant at which something can change to the next.
// Its times count from the start of the trace.
type simulation struct {
	policy  scaler.Policy
	trace   Trace
	options Options
	start   time.Time
	from    time.Duration
	end     time.Duration

	now        time.Duration
	evaluation time.Duration // the next one
	grow       time.Duration // when the gateway tries again to grow the app
	index      int           // of the point that the load comes from
	nextPoint  time.Duration

	load       float64
	instances  instances
	window     window
	lastUp     time.Time
	lastChange time.Time

	result Result
	tally  tally
}

func newSimulation(p scaler.Policy, t Trace, o Options) *simulation {
	return &simulation{
		policy: p, trace: t, options: o,
		start: t.Start(), from: o.From.Sub(t.Start()), end: o.To.Sub(t.Start()),
		grow: never, index: -1,
		instances: instances{desired: p.MinInstances},
		window:    newWindow(p),
		result: Result{
			Policy: p, Start: o.From, End: o.To,
			Step: o.Step, StartDelay: o.StartDelay, WithoutGateway: o.WithoutGateway,
		},
	}
}

// instant lets everything happen that happens now.
func (s *simulation) instant() {
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
	s.load = s.trace.at(s.index, at)
	evaluated := s.now == s.evaluation
	grown := s.now == s.grow
	if grown {
		s.grow = never
	}
	if evaluated || changed || grown {
		s.window.push(scaler.Sample{Time: at, Value: s.load})
	}
	if s.now >= s.from {
		s.tally.arrive(&s.result, s.load, &s.instances)
	}
	switch {
	case evaluated:
		s.evaluation += s.options.Step
		s.decide(at, s.window.series())
	case (changed || grown) && s.load > 0 && s.gateway():
		s.decide(at, s.window.newest())
	}
	if s.now >= s.from {
		s.record(at)
	}
}

// gateway tells whether the gateway decides too.
func (s *simulation) gateway() bool {
	return !s.options.WithoutGateway && s.policy.Metric != scaler.Custom
}

// decide asks the decision function and does what it says.
func (s *simulation) decide(at time.Time, series []scaler.Sample) {
	d := scaler.Decide(s.policy, scaler.Observation{
		Now: at, Desired: s.instances.desired, Series: series,
		LastUp: s.lastUp, LastChange: s.lastChange,
	})
	if s.gateway() {
		s.grow = s.growAgain(d)
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

// growAgain is when the gateway looks again whether the app can grow: when the
// cooldown is over that holds it back, and soon after it grew by less than is
// called for.
func (s *simulation) growAgain(d scaler.Decision) time.Duration {
	switch {
	case d.Goal > d.Desired && d.Wait > 0:
		return s.now + min(d.Wait, maxLength)
	case d.Direction == scaler.Up && d.Goal > d.Count:
		return s.now + growPause
	default:
		return never
	}
}

// record notes the count if it has changed.
func (s *simulation) record(at time.Time) {
	desired, ready := s.instances.desired, s.instances.ready()
	counts := s.result.Counts
	if n := len(counts); n == 0 || counts[n-1].Desired != desired || counts[n-1].Ready != ready {
		s.result.Counts = append(counts, Count{Time: at, Desired: desired, Ready: ready})
	}
}

// account adds up the time until next, in which nothing changes but a load that
// runs in a straight line.
func (s *simulation) account(next time.Duration) {
	mean, peak := s.load, s.load
	if s.trace.Linear {
		last := s.trace.at(s.index, s.start.Add(next))
		mean, peak = (s.load+last)/2, max(s.load, last)
	}
	s.tally.add(&s.result, next-s.now, mean, peak, &s.instances)
}
