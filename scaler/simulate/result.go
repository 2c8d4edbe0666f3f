package simulate

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Result is what a policy would have done.
type Result struct {
	// Policy is the policy that was tried.
	Policy scaler.Policy
	// Start and End bound the time that the result tells of.
	Start, End time.Time
	// Step, StartDelay and WithoutGateway are as in [Options].
	Step, StartDelay time.Duration
	WithoutGateway   bool

	// Counts are the counts over time, each until the next and the last until
	// End.
	Counts []Count
	// Actions are the changes of the count.
	Actions []Action

	// MeanLoad and PeakLoad are those of the trace, where it is known.
	MeanLoad, PeakLoad float64
	// LoadUnknown is how long the load was not known.
	LoadUnknown time.Duration

	// InstanceSeconds is what is paid for: each instance from when it was asked
	// for until it was stopped.
	InstanceSeconds float64
	// Cost is InstanceSeconds at the policy's price.
	Cost float64
	// MeanCount and PeakCount are those of the desired count.
	MeanCount float64
	PeakCount int

	// MeanUtilisation and PeakUtilisation are the load as a fraction of what the
	// ready instances carry at the target, over the time with any.
	MeanUtilisation, PeakUtilisation float64
	// AboveThreshold and AboveTarget are how long the load was more than
	// scale_up_threshold of what the ready instances carry, and more than all of
	// it. Load without a ready instance is both.
	AboveThreshold, AboveTarget time.Duration

	// ColdStarts is how often load met no ready instance, and ColdTime how long
	// it had to wait for one.
	ColdStarts int
	ColdTime   time.Duration
	// ColdRequests is about how many requests had to wait for an instance to
	// start: with requests_per_minute those that came meanwhile, with
	// concurrency the most there were at a time. With a custom metric it is 0.
	ColdRequests float64
}

// Count is how many instances were asked for, and how many of them were ready,
// from a time on.
type Count struct {
	Time           time.Time
	Desired, Ready int
}

// Action is one change of the count.
type Action struct {
	Time     time.Time
	From, To int
	Rule     scaler.Rule
	// Reason says in words why.
	Reason string
}

// Ups counts the actions that raised the count.
func (r Result) Ups() int {
	n := 0
	for _, a := range r.Actions {
		if a.To > a.From {
			n++
		}
	}
	return n
}

// Downs counts the actions that lowered the count.
func (r Result) Downs() int { return len(r.Actions) - r.Ups() }

// Length is the time that the result tells of.
func (r Result) Length() time.Duration { return r.End.Sub(r.Start) }

// FormatTime writes a time as the trace counts it.
func (r Result) FormatTime(at time.Time) string { return formatTime(at, undated(r.Start)) }
