// Package scaler decides how many instances of an app should run.
//
// A [Policy] says what is wanted, an [Observation] what is seen, and [Decide]
// answers with a count and the reason for it. Nothing here does I/O, reads a
// clock or keeps state: the strategy plugin, the gateway, the simulator and the
// provider all call the same function and get the same answer.
package scaler

import (
	"errors"
	"fmt"
	"time"
)

// Metric names what the load of an app is measured in.
type Metric string

// The metrics that a policy can scale on.
const (
	// RequestsPerMinute counts the requests that were in progress at any
	// moment of the trailing minute, so that a long request stays load until
	// it ends.
	RequestsPerMinute Metric = "requests_per_minute"
	// Concurrency counts the requests in flight and those queued.
	Concurrency Metric = "concurrency"
	// Custom is whatever number the query of the policy's check returns.
	Custom Metric = "custom"
)

// SelectionMode names the way an instance is selected for a request.
type SelectionMode string

// The selection modes.
const (
	SelectRandom     SelectionMode = "random"
	SelectFirst      SelectionMode = "first"
	SelectLast       SelectionMode = "last"
	SelectMinLoad    SelectionMode = "min_load"
	SelectExact      SelectionMode = "exact"
	SelectRoundRobin SelectionMode = "round_robin"
	SelectPowerOfTwo SelectionMode = "power_of_two"
	SelectHash       SelectionMode = "hash"
)

// Policy says how one group of a Nomad job scales and how requests reach it.
// The zero value is not usable: start from [Parse].
type Policy struct {
	// App is the group that the policy scales.
	App AppID

	// Enabled is the scaling block's own switch. The document does not carry
	// it; [Parse] sets it.
	Enabled bool
	// Override is the override that has changed the values below; nil without.
	// The document does not carry it; [Override.Apply] sets it.
	Override *Override

	// MinInstances and MaxInstances bound the count, both included.
	MinInstances, MaxInstances int
	// BufferInstances are kept warm on top of need while the app is active.
	BufferInstances int

	// Metric is what Target and the observed load are measured in.
	Metric Metric
	// Target is the load that one instance carries at 100 %.
	Target float64
	// ScaleUpThreshold and ScaleDownThreshold are fractions of Target.
	ScaleUpThreshold, ScaleDownThreshold float64
	// ScaleUpCooldown and ScaleDownCooldown are the least time between two
	// actions in that direction.
	ScaleUpCooldown, ScaleDownCooldown time.Duration
	// ScaleUpStep and ScaleDownStep are the most instances that one action
	// adds or removes; 0 means as many as the load calls for.
	ScaleUpStep, ScaleDownStep int
	// StopAfterInactive is how long an app without load keeps its instances
	// before it falls to MinInstances.
	StopAfterInactive time.Duration

	// ServiceSelectionMode is how the gateway selects an instance.
	ServiceSelectionMode SelectionMode
	// HashKey is what SelectHash hashes: "client_address", "header:<name>" or
	// "cookie:<name>".
	HashKey string
	// MaxConcurrencyPerInstance caps the requests in flight on one instance;
	// the rest queue. 0 means no cap.
	MaxConcurrencyPerInstance int
	// RequestTimeout ends a request that takes longer; 0 means never.
	RequestTimeout time.Duration
	// StartTimeout is how long a request waits for an instance.
	StartTimeout time.Duration
	// MaxQueuedRequests is how many requests wait at once, at each gateway.
	MaxQueuedRequests int
	// RateLimit is the requests a second that are let in; 0 means no limit.
	RateLimit float64
	// RateLimitBurst is how many requests may come at once under RateLimit.
	RateLimitBurst int

	// Port is the label of the port that serves requests; "" means the
	// group's first.
	Port string
	// Hosts are the host names that the gateway routes to this app; a leading
	// "*." matches any one label.
	Hosts []string
	// PathPrefix is where the app is mounted; "" means
	// /apps/<namespace>/<job>/<group>/ and, on Hosts, the root.
	PathPrefix string
	// ReadyPath is asked for a 2xx or 3xx before an instance gets requests; ""
	// means that an open port is enough.
	ReadyPath string

	// PricePerInstanceSecond turns instance-seconds into cost.
	PricePerInstanceSecond float64
}

// contradictions reports the values that are valid alone and not together.
func (p Policy) contradictions() error {
	var errs []error
	if p.MinInstances > p.MaxInstances {
		errs = append(errs, invalid("min_instances", p.MinInstances, "at most max_instances, which is %d", p.MaxInstances))
	}
	if p.ScaleDownThreshold >= p.ScaleUpThreshold {
		errs = append(errs, invalid("scale_down_threshold", formatFloat(p.ScaleDownThreshold), "below scale_up_threshold, which is %s", formatFloat(p.ScaleUpThreshold)))
	}
	if limit := p.MaxConcurrencyPerInstance; p.Metric == Concurrency && limit > 0 && float64(limit) < p.Target {
		errs = append(errs, invalid("max_concurrency_per_instance", limit, "0 or at least target_concurrency_per_instance, which is %s", formatFloat(p.Target)))
	}
	if p.RateLimit == 0 && p.RateLimitBurst > 0 {
		errs = append(errs, invalid("rate_limit_burst", p.RateLimitBurst, "unset without rate_limit"))
	}
	if p.RateLimit > 0 && p.RateLimitBurst == 0 {
		errs = append(errs, invalid("rate_limit_burst", p.RateLimitBurst, "at least 1 with rate_limit"))
	}
	if p.HashKey != "" && p.ServiceSelectionMode != SelectHash {
		errs = append(errs, invalid("hash_key", p.HashKey, "unset unless service_selection_mode is hash"))
	}
	return errors.Join(errs...)
}

// ValueError reports one value of a policy that cannot be used.
type ValueError struct {
	// Key is the key of the policy document.
	Key string
	// Value is the offending value as it was written.
	Value string
	// Allowed says what the value must be: "must be <Allowed>".
	Allowed string
}

// Error names the key, the value and what is allowed.
func (e *ValueError) Error() string {
	return fmt.Sprintf("%s = %q: must be %s", e.Key, e.Value, e.Allowed)
}

// ValueErrors returns every [ValueError] in err.
func ValueErrors(err error) []*ValueError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*ValueError
		for _, err := range joined.Unwrap() {
			all = append(all, ValueErrors(err)...)
		}
		return all
	}
	if wrapped := errors.Unwrap(err); wrapped != nil {
		return ValueErrors(wrapped)
	}
	var one *ValueError
	if errors.As(err, &one) {
		return []*ValueError{one}
	}
	return nil
}

func invalid(key string, value any, allowed string, args ...any) *ValueError {
	return &ValueError{Key: key, Value: fmt.Sprint(value), Allowed: fmt.Sprintf(allowed, args...)}
}
