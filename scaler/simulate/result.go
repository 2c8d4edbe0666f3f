package simulate

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// Result is what a policy would have done.
type Result struct {
	// Policy is the policy that was tried.
	Policy scaler.Policy
	// Start and End bound the time that the result covers.
	Start, End time.Time
	// Step, StartDelay and WithoutGateway are as in [Options].
	Step, StartDelay time.Duration
	WithoutGateway   bool

	// Counts are the counts over time. Each lasts until the next, and the last
	// until End.
	Counts []Count
	// Actions are the changes of the count.
	Actions []Action

	// MeanLoad and PeakLoad are the load of the trace over the time in which it
	// is known.
	MeanLoad, PeakLoad float64
	// LoadUnknown is how long the load was not known.
	LoadUnknown time.Duration

	// InstanceSeconds is what is paid for: every instance from the request for
	// it until it stops.
	InstanceSeconds float64
	// Cost is InstanceSeconds at the policy's price.
	Cost float64
	// MeanCount and PeakCount are the mean and the peak of the desired count.
	MeanCount float64
	PeakCount int

	// MeanUtilisation and PeakUtilisation are the load as a fraction of what the
	// ready instances carry at the target, while at least one is ready.
	MeanUtilisation, PeakUtilisation float64
	// AboveThreshold is how long the load was above scale_up_threshold of what
	// the ready instances carry at the target, and AboveTarget how long it was
	// above all of that. Load without a ready instance counts for both.
	AboveThreshold, AboveTarget time.Duration

	// ColdStarts is how often load found no ready instance, and ColdTime how long
	// it waited for one in total.
	ColdStarts int
	ColdTime   time.Duration
	// ColdRequests estimates how many requests waited for a first instance. With
	// requests_per_minute it counts those that arrived during the wait, and with
	// concurrency the most at a time. With a custom metric it is 0.
	ColdRequests float64
}

// Count is how many instances were desired, and how many of them were ready, from
// a time on.
type Count struct {
	Time           time.Time
	Desired, Ready int
}

// Action is one change of the count.
type Action struct {
	Time     time.Time
	From, To int
	Rule     scaler.Rule
	// Reason explains the action in words.
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

// Length is the time that the result covers.
func (r Result) Length() time.Duration { return r.End.Sub(r.Start) }

// FormatTime writes a time as the trace counts it.
func (r Result) FormatTime(at time.Time) string { return trace.FormatTime(r.Start, at) }
