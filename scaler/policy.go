// Package scaler decides how many instances of an app should run.
//
// A [Policy] says what is wanted and an [Observation] what was observed. [Decide]
// returns a count and the reason for it. Nothing here does I/O, reads a clock or
// keeps state. The strategy plugin, the gateway, the simulator and the provider call
// the same function, so they get the same answer.
package scaler

import (
	"errors"
	"fmt"
	"time"
)

// Metric is the unit of the load of an app.
type Metric string

// The metrics that a policy can scale on.
const (
	// RequestsPerMinute counts the requests that were in progress at any
	// moment of the trailing minute. So a long request counts until it ends.
	RequestsPerMinute Metric = "requests_per_minute"
	// Concurrency counts the requests in flight and those queued.
	Concurrency Metric = "concurrency"
	// Custom is the number that the query of the policy's check returns.
	Custom Metric = "custom"
)

// SelectionMode names how an instance is selected for a request.
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
	// Override is the override that changed the values below; nil if there is
	// none. The document does not contain it; [Override.Apply] sets it.
	Override *Override

	// MinInstances and MaxInstances are the lowest and the highest count.
	MinInstances, MaxInstances int
	// BufferInstances are kept in addition to what the load needs while the app
	// is active.
	BufferInstances int

	// Metric is what Target and the observed load are measured in.
	Metric Metric
	// Target is the load that one instance carries at 100 %.
	Target float64
	// ScaleUpThreshold and ScaleDownThreshold are fractions of Target.
	ScaleUpThreshold, ScaleDownThreshold float64
	// ScaleUpCooldown is the minimum time between two scale-ups, and
	// ScaleDownCooldown that between any change of the count and a scale-down.
	ScaleUpCooldown, ScaleDownCooldown time.Duration
	// ScaleUpStep and ScaleDownStep are the most instances that one action
	// adds or removes; 0 means as many as the load calls for.
	ScaleUpStep, ScaleDownStep int
	// StopAfterInactive is how long an app without load keeps its instances
	// before it scales down to MinInstances.
	StopAfterInactive time.Duration

	// ServiceSelectionMode is how the gateway selects an instance.
	ServiceSelectionMode SelectionMode
	// HashKey is what SelectHash hashes: "client_address", "header:<name>" or
	// "cookie:<name>".
	HashKey string
	// MaxConcurrencyPerInstance is the most requests in flight on one instance;
	// further requests queue. 0 means no limit.
	MaxConcurrencyPerInstance int
	// RequestTimeout is the longest time that a request may take; 0 means no
	// limit.
	RequestTimeout time.Duration
	// StartTimeout is how long a request waits for an instance.
	StartTimeout time.Duration
	// MaxQueuedRequests is the most requests that wait at once at each gateway.
	MaxQueuedRequests int
	// RateLimit is the requests a second that all gateways together accept; 0
	// means no limit.
	RateLimit float64
	// RateLimitBurst is how many requests are accepted at once under RateLimit.
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
	// ReadyPath must answer 2xx or 3xx before an instance gets requests; ""
	// means that an open port is enough.
	ReadyPath string

	// PricePerInstanceSecond is the price of an instance for a second.
	PricePerInstanceSecond float64
}

// contradictions reports the values that are valid alone and not together.
func (p Policy) contradictions() error {
	var errs []error
	if p.MinInstances > p.MaxInstances {
		errs = append(errs, invalid("min_instances", p.MinInstances, "at most max_instances, which is %d", p.MaxInstances))
	}
	if p.ScaleDownThreshold >= p.ScaleUpThreshold {
		errs = append(errs, invalid("scale_down_threshold", formatFloat(p.ScaleDownThreshold),
			"below scale_up_threshold, which is %s", formatFloat(p.ScaleUpThreshold)))
	}
	if limit := p.MaxConcurrencyPerInstance; p.Metric == Concurrency && limit > 0 && float64(limit) < p.Target {
		errs = append(errs, invalid("max_concurrency_per_instance", limit,
			"0 or at least target_concurrency_per_instance, which is %s", formatFloat(p.Target)))
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
	// Value is the invalid value as it was written.
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
