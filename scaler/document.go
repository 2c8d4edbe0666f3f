package scaler

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Document is a policy as the Nomad Autoscaler hands it to a strategy: every
// value a string. Nomad keeps it in the scaling block of the job.
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
	// Default is the value that stands for a missing key, as people read it.
	Default string
	// Allowed says what the value must be: "must be <Allowed>".
	Allowed string
	// Description says what the key means, in a sentence.
	Description string

	decode func(p *Policy, value string) bool
	encode func(p Policy) string // "" leaves the key out
}

// keys is the policy document, in the order in which it is read and reported.
var keys = []Key{
	text("namespace", "", "a namespace of Nomad", "The namespace of the job.", notEmpty,
		func(p *Policy) *string { return &p.App.Namespace }),
	text("job", "", "the ID of a job", "The ID of the job.", notEmpty,
		func(p *Policy) *string { return &p.App.Job }),
	text("group", "", "the name of a group of the job", "The name of the group.", notEmpty,
		func(p *Policy) *string { return &p.App.Group }),

	integer("min_instances", "1", 0, "The fewest instances to keep; 0 lets the app go to zero.",
		func(p *Policy) *int { return &p.MinInstances }),
	integer("max_instances", "10", 1, "The most instances to run.",
		func(p *Policy) *int { return &p.MaxInstances }),
	integer("buffer_instances", "0", 0, "Warm spares on top of what the load needs, kept while the app is active.",
		func(p *Policy) *int { return &p.BufferInstances }),

	text("metric", "requests_per_minute", "requests_per_minute, concurrency or custom",
		"What load is measured in: `requests_per_minute` (requests in progress at any moment of the trailing minute), `concurrency` (requests in flight and queued) or `custom` (the result of the check's own query).",
		oneOf(RequestsPerMinute, Concurrency, Custom), func(p *Policy) *Metric { return &p.Metric }),
	target("target_requests_per_instance", RequestsPerMinute, "100", "Requests a minute that one instance carries at 100 %, with the metric `requests_per_minute`."),
	target("target_concurrency_per_instance", Concurrency, "1", "Requests at a time that one instance carries at 100 %, with the metric `concurrency`."),
	target("target_per_instance", Custom, "none: required with the metric custom", "Load that one instance carries at 100 %, with the metric `custom`."),
	number("scale_up_threshold", "0.9; 1 for concurrency, where a whole request needs a whole slot", positive, "a number above 0, and above scale_down_threshold",
		"The app grows when its utilisation rises above this fraction of the target.",
		func(p *Policy) *float64 { return &p.ScaleUpThreshold }),
	number("scale_down_threshold", "0.3", positive, "a number above 0 and below scale_up_threshold",
		"The app shrinks when its utilisation falls below this fraction of the target.",
		func(p *Policy) *float64 { return &p.ScaleDownThreshold }),
	duration("scale_up_cooldown", "300s", 0, "The least time between two actions up. Waking from zero does not start it.",
		func(p *Policy) *time.Duration { return &p.ScaleUpCooldown }),
	duration("scale_down_cooldown", "600s", 0, "The least time between any change of the count and an action down.",
		func(p *Policy) *time.Duration { return &p.ScaleDownCooldown }),
	integer("scale_up_step", "1", 0, "The most instances that one action adds; 0 adds as many as the load calls for.",
		func(p *Policy) *int { return &p.ScaleUpStep }),
	integer("scale_down_step", "1", 0, "The most instances that one action removes; 0 removes as many as the load allows.",
		func(p *Policy) *int { return &p.ScaleDownStep }),
	duration("stop_after_inactive", "600s", 10*time.Second, "How long the app may be without load before it falls to `min_instances`.",
		func(p *Policy) *time.Duration { return &p.StopAfterInactive }),

	text("service_selection_mode", "random", "random, first, last, min_load, exact, round_robin, power_of_two or hash",
		"How the gateway selects the instance for a request: `random`, `first` or `last` (by allocation index), `min_load`, `exact` (an error unless there is just one), `round_robin`, `power_of_two` or `hash`.",
		oneOf(SelectRandom, SelectFirst, SelectLast, SelectMinLoad, SelectExact, SelectRoundRobin, SelectPowerOfTwo, SelectHash),
		func(p *Policy) *SelectionMode { return &p.ServiceSelectionMode }),
	text("hash_key", "client_address with the mode hash", "client_address, header:<name> or cookie:<name>",
		"What the mode `hash` goes by: `client_address`, `header:<name>` or `cookie:<name>`.", validHashKey,
		func(p *Policy) *string { return &p.HashKey }),
	integer("max_concurrency_per_instance", "0", 0, "The most requests in flight on one instance; the rest queue. 0 means no cap.",
		func(p *Policy) *int { return &p.MaxConcurrencyPerInstance }),
	duration("request_timeout", "300s", 0, "A request that takes longer is ended; 0 means never.",
		func(p *Policy) *time.Duration { return &p.RequestTimeout }),
	duration("start_timeout", "60s", time.Second, "How long a request waits for an instance.",
		func(p *Policy) *time.Duration { return &p.StartTimeout }),
	integer("max_queued_requests", "1000", 0, "The most requests that wait at once, at each gateway; the next one is answered 429.",
		func(p *Policy) *int { return &p.MaxQueuedRequests }),
	number("rate_limit", "0", notNegative, "a number of at least 0", "Requests a second that are let in, at all gateways together; 0 means no limit.",
		func(p *Policy) *float64 { return &p.RateLimit }),
	integer("rate_limit_burst", "5 × rate_limit", 0, "Requests that may come at once under `rate_limit`.",
		func(p *Policy) *int { return &p.RateLimitBurst }),

	text("port", "the group's first port", "the label of a port of the group", "The label of the port that serves requests.", notEmpty,
		func(p *Policy) *string { return &p.Port }),
	hosts(),
	text("path_prefix", "/apps/<namespace>/<job>/<group>/, and / on hosts", "a path that begins with / and has no //, . or .. in it",
		"Where the app is mounted; the gateway takes it off the path and says so in `X-Forwarded-Prefix`.", validPath,
		func(p *Policy) *string { return &p.PathPrefix }),
	text("ready_path", "none: an open port is enough", "a path that begins with / and has no //, . or .. in it",
		"A path that answers 2xx or 3xx when an instance is ready for requests.", validPath,
		func(p *Policy) *string { return &p.ReadyPath }),

	number("price_per_instance_second", "0", notNegative, "a number of at least 0", "What an instance costs a second, in any currency, for cost figures.",
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

// LookupKey returns the key of that name.
func LookupKey(name string) (Key, bool) {
	k, ok := keyByName[name]
	return k, ok
}

// Check reports whether value alone can stand for the key. The error is a
// [*ValueError].
func (k Key) Check(value string) error {
	if !k.decode(new(Policy), value) {
		return invalid(k.Name, value, "%s", k.Allowed)
	}
	return nil
}

// Parse reads a document, filling in defaults. Its error joins a [*ValueError]
// for every unknown key, every value out of range and every contradiction.
func Parse(doc Document) (Policy, error) {
	p := Policy{
		Enabled:              true,
		MinInstances:         1,
		MaxInstances:         10,
		Metric:               RequestsPerMinute,
		ScaleDownThreshold:   0.3,
		ScaleUpCooldown:      300 * time.Second,
		ScaleDownCooldown:    600 * time.Second,
		ScaleUpStep:          1,
		ScaleDownStep:        1,
		StopAfterInactive:    600 * time.Second,
		ServiceSelectionMode: SelectRandom,
		RequestTimeout:       300 * time.Second,
		StartTimeout:         60 * time.Second,
		MaxQueuedRequests:    1000,
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if _, ok := keyByName[name]; !ok {
			errs = append(errs, invalid(name, doc[name], "removed: there is no such key"))
		}
	}
	for _, k := range keys {
		value, given := doc[k.Name]
		if !given {
			continue
		}
		if err := k.Check(value); err != nil {
			errs = append(errs, err)
			continue
		}
		k.decode(&p, value)
	}
	for _, name := range []string{"namespace", "job", "group"} {
		if _, given := doc[name]; !given {
			errs = append(errs, invalid(name, "", "%s", keyByName[name].Allowed))
		}
	}
	if metric, given := doc["metric"]; !given || keyByName["metric"].Check(metric) == nil {
		errs = append(errs, p.defaultByMetric(doc)...)
	}
	if _, given := doc["rate_limit_burst"]; !given {
		p.RateLimitBurst = int(math.Min(math.Ceil(5*p.RateLimit), maxInteger))
	}
	if p.ServiceSelectionMode == SelectHash && p.HashKey == "" {
		p.HashKey = "client_address"
	}
	if err := errors.Join(errs...); err != nil {
		return Policy{}, err
	}
	if err := p.contradictions(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// defaultByMetric fills in the values whose default depends on the metric and
// reports a target that belongs to another metric.
func (p *Policy) defaultByMetric(doc Document) (errs []error) {
	if p.ScaleUpThreshold == 0 {
		p.ScaleUpThreshold = 0.9
		if p.Metric == Concurrency {
			p.ScaleUpThreshold = 1
		}
	}
	p.Target = 0
	for metric, name := range targetKeys {
		value, given := doc[name]
		if given && metric != p.Metric {
			errs = append(errs, invalid(name, value, "unset unless metric is %s", metric))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	name := targetKeys[p.Metric]
	switch value, given := doc[name]; {
	case given:
		keyByName[name].decode(p, value)
	case p.Metric == RequestsPerMinute:
		p.Target = 100
	case p.Metric == Concurrency:
		p.Target = 1
	default:
		errs = append(errs, invalid(name, "", "set when metric is custom"))
	}
	return errs
}

// Document writes the policy with every value explicit, so that what a policy
// does never depends on the defaults of the version that reads it.
func (p Policy) Document() Document {
	doc := make(Document, len(keys))
	for _, k := range keys {
		if value := k.encode(p); value != "" {
			doc[k.Name] = value
		}
	}
	return doc
}

var targetKeys = map[Metric]string{
	RequestsPerMinute: "target_requests_per_instance",
	Concurrency:       "target_concurrency_per_instance",
	Custom:            "target_per_instance",
}

// TargetKey names the key that holds the target of a metric.
func (m Metric) TargetKey() string { return targetKeys[m] }

func text[T ~string](name, byDefault, allowed, description string, valid func(string) bool, field func(*Policy) *T) Key {
	return Key{
		Name: name, Kind: String, Default: byDefault, Allowed: allowed, Description: description,
		decode: func(p *Policy, value string) bool {
			*field(p) = T(value)
			return valid(value)
		},
		encode: func(p Policy) string { return string(*field(&p)) },
	}
}

func integer(name, byDefault string, least int, description string, field func(*Policy) *int) Key {
	return Key{
		Name: name, Kind: Integer, Default: byDefault, Allowed: fmt.Sprintf("a whole number from %d to %d", least, maxInteger), Description: description,
		decode: func(p *Policy, value string) bool {
			n, ok := parseInteger(value)
			*field(p) = n
			return ok && n >= least
		},
		encode: func(p Policy) string { return strconv.Itoa(*field(&p)) },
	}
}

func number(name, byDefault string, valid func(float64) bool, allowed, description string, field func(*Policy) *float64) Key {
	return Key{
		Name: name, Kind: Number, Default: byDefault, Allowed: allowed, Description: description,
		decode: func(p *Policy, value string) bool {
			n, ok := parseFloat(value)
			*field(p) = n
			return ok && valid(n)
		},
		encode: func(p Policy) string { return formatFloat(*field(&p)) },
	}
}

func target(name string, metric Metric, byDefault, description string) Key {
	k := number(name, byDefault, positive, "a number above 0", description, func(p *Policy) *float64 { return &p.Target })
	k.encode = func(p Policy) string {
		if p.Metric != metric {
			return ""
		}
		return formatFloat(p.Target)
	}
	return k
}

func duration(name, byDefault string, least time.Duration, description string, field func(*Policy) *time.Duration) Key {
	return Key{
		Name: name, Kind: Duration, Default: byDefault, Description: description,
		Allowed: "a duration of at least " + FormatDuration(least) + `, such as "90s" or "10m"; bare digits mean seconds`,
		decode: func(p *Policy, value string) bool {
			d, ok := ParseDuration(value)
			*field(p) = d
			return ok && d >= least
		},
		encode: func(p Policy) string { return FormatDuration(*field(&p)) },
	}
}

func hosts() Key {
	return Key{
		Name: "hosts", Kind: List, Default: "none", Allowed: "host names without a port, separated by commas; the first label may be *",
		Description: "Host names that the gateway routes to this app; a leading `*.` matches any one label.",
		decode: func(p *Policy, value string) bool {
			p.Hosts = strings.Split(value, ",")
			for i, host := range p.Hosts {
				p.Hosts[i] = strings.ToLower(strings.TrimSpace(host))
			}
			return !slices.ContainsFunc(p.Hosts, func(host string) bool { return !validHost(host) })
		},
		encode: func(p Policy) string { return strings.Join(p.Hosts, ",") },
	}
}

func notEmpty(s string) bool { return s != "" }

func oneOf[T ~string](names ...T) func(string) bool {
	return func(s string) bool { return slices.Contains(names, T(s)) }
}

func positive(n float64) bool { return n > 0 }

func notNegative(n float64) bool { return n >= 0 }

func validPath(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '?' || r == '#' || r == 0x7f }) {
		return false
	}
	for i, part := range strings.Split(s, "/") {
		if part == "." || part == ".." || (part == "" && i > 0 && i < strings.Count(s, "/")) {
			return false
		}
	}
	return true
}

func validHost(host string) bool {
	host = strings.TrimPrefix(host, "*.")
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
			}) {
			return false
		}
	}
	return true
}

func validHashKey(s string) bool {
	if s == "client_address" {
		return true
	}
	kind, name, found := strings.Cut(s, ":")
	return found && (kind == "header" || kind == "cookie") && name != "" &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) })
}

// maxInteger keeps the sum of two counts from overflowing where an int has 32 bits.
const maxInteger = 1_000_000_000

// parseInteger also takes 1e+06: the autoscaler prints the numbers of a job that way.
func parseInteger(s string) (int, bool) {
	n, ok := parseFloat(s)
	if !ok || n != math.Trunc(n) || math.Abs(n) > maxInteger {
		return 0, false
	}
	return int(n), true
}

func parseFloat(s string) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
}

func formatFloat(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// ParseDuration reads a Go duration or a number of seconds.
func ParseDuration(s string) (time.Duration, bool) {
	if n, ok := parseFloat(s); ok {
		if math.Abs(n) > math.MaxInt64/float64(time.Second)/2 {
			return 0, false
		}
		return time.Duration(math.Round(n * float64(time.Second))), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// FormatDuration writes a duration without the zero units at its end: 10m, not 10m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
