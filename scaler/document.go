package scaler

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Document is a policy as the Nomad Autoscaler passes it to a strategy: every value
// is a string. Nomad keeps it in the scaling block of the job.
type Document map[string]string

// Kind is the type of a key's value.
type Kind string

// The kinds of value. A Duration is written as a Go duration; bare digits mean
// seconds. A List is separated by commas.
const (
	String   Kind = "string"
	Integer  Kind = "integer"
	Number   Kind = "number"
	Duration Kind = "duration"
	List     Kind = "list"
)

// Key describes one key of the document.
type Key struct {
	// Name is the key's name in the document, in Terraform and in JSON.
	Name string
	// Kind is the type of its value.
	Kind Kind
	// Default is the value of a missing key, or a description of it.
	Default string
	// Allowed says what the value must be: "must be <Allowed>".
	Allowed string
	// Description says what the key means, in a sentence.
	Description string

	// setDefault sets the value of a missing key. It may depend on the keys
	// before it.
	setDefault func(p *Policy)
	// decode sets a value and reports whether it is allowed.
	decode func(p *Policy, value string) bool
	encode func(p Policy) string // "" leaves the key out
}

// Defaults that depend on other keys.
const (
	scaleUpThreshold            = 0.9
	scaleUpThresholdConcurrency = 1 // because a whole request needs a whole permit
	burstSeconds                = 5
)

// keys are the keys of the document, in the order in which they are read and
// reported.
var keys = []Key{
	text("namespace", "", "a namespace of Nomad", "The namespace of the job.", notEmpty,
		func(p *Policy) *string { return &p.App.Namespace }),
	text("job", "", "the ID of a job", "The ID of the job.", notEmpty,
		func(p *Policy) *string { return &p.App.Job }),
	text("group", "", "the name of a group of the job", "The name of the group.", notEmpty,
		func(p *Policy) *string { return &p.App.Group }),

	integer("min_instances", 1, 0, "The minimum number of instances; 0 lets the app scale to zero.",
		func(p *Policy) *int { return &p.MinInstances }),
	integer("max_instances", 10, 1, "The maximum number of instances.",
		func(p *Policy) *int { return &p.MaxInstances }),
	integer("buffer_instances", 0, 0, "Spare instances in addition to what the load needs, while the app is active.",
		func(p *Policy) *int { return &p.BufferInstances }),

	choice("metric", []Metric{RequestsPerMinute, Concurrency, Custom},
		"What the load is measured in: `requests_per_minute` (requests in progress at any moment of the trailing minute), "+
			"`concurrency` (requests in flight and queued) or `custom` (the result of the check's own query).",
		func(p *Policy) *Metric { return &p.Metric }),
	target(RequestsPerMinute, 100, "Requests a minute that one instance carries at 100 %, with the metric `requests_per_minute`."),
	target(Concurrency, 1, "Requests at a time that one instance carries at 100 %, with the metric `concurrency`."),
	target(Custom, 0, "Load that one instance carries at 100 %, with the metric `custom`.").
		defaultText("none: required with the metric custom"),
	number("scale_up_threshold", scaleUpThreshold, positive, "a number above 0, and above scale_down_threshold",
		"The app scales up when its utilisation is above this fraction of the target.",
		func(p *Policy) *float64 { return &p.ScaleUpThreshold }).
		defaultText(fmt.Sprintf("%v; %v with the metric concurrency", scaleUpThreshold, scaleUpThresholdConcurrency)).
		defaultFunc(func(p *Policy) {
			p.ScaleUpThreshold = scaleUpThreshold
			if p.Metric == Concurrency {
				p.ScaleUpThreshold = scaleUpThresholdConcurrency
			}
		}),
	number("scale_down_threshold", 0.3, positive, "a number above 0 and below scale_up_threshold",
		"The app scales down when its utilisation is below this fraction of the target.",
		func(p *Policy) *float64 { return &p.ScaleDownThreshold }),
	duration("scale_up_cooldown", 5*time.Minute, 0, "The minimum time between two scale-ups. Scaling up from zero does not start it.",
		func(p *Policy) *time.Duration { return &p.ScaleUpCooldown }),
	duration("scale_down_cooldown", 10*time.Minute, 0, "The minimum time between any change of the count and a scale-down.",
		func(p *Policy) *time.Duration { return &p.ScaleDownCooldown }),
	integer("scale_up_step", 1, 0, "The most instances that one scale-up adds; 0 adds as many as the load calls for.",
		func(p *Policy) *int { return &p.ScaleUpStep }),
	integer("scale_down_step", 1, 0, "The most instances that one scale-down removes; 0 removes as many as the load allows.",
		func(p *Policy) *int { return &p.ScaleDownStep }),
	duration("stop_after_inactive", 10*time.Minute, 10*time.Second,
		"How long the app is without load before it scales down to `min_instances`.",
		func(p *Policy) *time.Duration { return &p.StopAfterInactive }),

	choice("service_selection_mode",
		[]SelectionMode{SelectRandom, SelectFirst, SelectLast, SelectMinLoad, SelectExact, SelectRoundRobin, SelectPowerOfTwo, SelectHash},
		"How the gateway selects the instance for a request: `random`, `first` or `last` (by allocation index), `min_load`, "+
			"`exact` (an error unless there is exactly one), `round_robin`, `power_of_two` or `hash`.",
		func(p *Policy) *SelectionMode { return &p.ServiceSelectionMode }),
	text("hash_key", "", hashClientAddress+", header:<name> or cookie:<name>",
		"What the mode `hash` hashes: `"+hashClientAddress+"`, `header:<name>` or `cookie:<name>`.", validHashKey,
		func(p *Policy) *string { return &p.HashKey }).
		defaultText(hashClientAddress + " with the mode hash").
		defaultFunc(func(p *Policy) {
			if p.ServiceSelectionMode == SelectHash {
				p.HashKey = hashClientAddress
			}
		}),
	integer("max_concurrency_per_instance", 0, 0, "The most requests in flight on one instance; further requests queue. 0 means no limit.",
		func(p *Policy) *int { return &p.MaxConcurrencyPerInstance }),
	duration("request_timeout", 5*time.Minute, 0, "The longest time that a request may take; 0 means no limit.",
		func(p *Policy) *time.Duration { return &p.RequestTimeout }),
	duration("start_timeout", time.Minute, time.Second, "How long a request waits for an instance.",
		func(p *Policy) *time.Duration { return &p.StartTimeout }),
	integer("max_queued_requests", 1000, 0, "The most requests that wait at once at each gateway; further requests get a 429.",
		func(p *Policy) *int { return &p.MaxQueuedRequests }),
	number("rate_limit", 0, notNegative, "a number of at least 0", "Requests a second that all gateways together accept; 0 means no limit.",
		func(p *Policy) *float64 { return &p.RateLimit }),
	integer("rate_limit_burst", 0, 0, "Requests that are accepted at once under `rate_limit`.",
		func(p *Policy) *int { return &p.RateLimitBurst }).
		defaultText(fmt.Sprintf("%d × rate_limit", burstSeconds)).
		defaultFunc(func(p *Policy) {
			p.RateLimitBurst = int(math.Min(math.Ceil(burstSeconds*p.RateLimit), maxInteger))
		}),

	text("port", "", "the label of a port of the group", "The label of the port that serves requests.", notEmpty,
		func(p *Policy) *string { return &p.Port }).
		defaultText("the group's first port"),
	hosts(),
	text("path_prefix", "", "a path that begins with / and has no //, . or .. in it",
		"Where the app is mounted; the gateway removes it from the path and sets `X-Forwarded-Prefix`.", validPath,
		func(p *Policy) *string { return &p.PathPrefix }).
		defaultText("/apps/<namespace>/<job>/<group>/, and / on hosts"),
	text("ready_path", "", "a path that begins with / and has no //, . or .. in it",
		"A path that answers 2xx or 3xx when an instance is ready for requests.", validPath,
		func(p *Policy) *string { return &p.ReadyPath }).
		defaultText("none: an open port is enough"),

	number("price_per_instance_second", 0, notNegative, "a number of at least 0",
		"The price of an instance for a second, in any currency, for cost figures.",
		func(p *Policy) *float64 { return &p.PricePerInstanceSecond }),
}

var keyByName = func() map[string]Key {
	m := make(map[string]Key, len(keys))
	for _, k := range keys {
		m[k.Name] = k
	}
	return m
}()

// Keys lists the keys of the document.
func Keys() []Key { return slices.Clone(keys) }

// LookupKey returns the key with a name.
func LookupKey(name string) (Key, bool) {
	k, ok := keyByName[name]
	return k, ok
}

// Check reports, as a [*ValueError], what is wrong with a value of the key. It does
// not compare the value with those of other keys.
func (k Key) Check(value string) error {
	if !k.decode(new(Policy), value) {
		return k.invalid(value)
	}
	return nil
}

func (k Key) invalid(value string) *ValueError { return invalid(k.Name, value, "%s", k.Allowed) }
