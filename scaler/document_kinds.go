package scaler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultText describes the default in words, if a value cannot.
func (k Key) defaultText(text string) Key {
	k.Default = text
	return k
}

// defaultFunc replaces the default by one that depends on the keys before it.
func (k Key) defaultFunc(set func(*Policy)) Key {
	k.setDefault = set
	return k
}

var targetKeys = map[Metric]string{
	RequestsPerMinute: "target_requests_per_instance",
	Concurrency:       "target_concurrency_per_instance",
	Custom:            "target_per_instance",
}

// TargetKey is the name of the key for the target of a metric.
func (m Metric) TargetKey() string { return targetKeys[m] }

func text[T ~string](name string, byDefault T, allowed, description string, valid func(string) bool, field func(*Policy) *T) Key {
	return Key{
		Name: name, Kind: String, Default: string(byDefault), Allowed: allowed, Description: description,
		setDefault: func(p *Policy) { *field(p) = byDefault },
		decode: func(p *Policy, value string) bool {
			*field(p) = T(value)
			return valid(value)
		},
		encode: func(p Policy) string { return string(*field(&p)) },
	}
}

// choice is the key for one of several names, of which the first is the default.
func choice[T ~string](name string, names []T, description string, field func(*Policy) *T) Key {
	last := len(names) - 1
	allowed := string(names[0])
	for _, n := range names[1:last] {
		allowed += ", " + string(n)
	}
	allowed += " or " + string(names[last])
	return text(name, names[0], allowed, description, func(s string) bool { return slices.Contains(names, T(s)) }, field)
}

func integer(name string, byDefault, least int, description string, field func(*Policy) *int) Key {
	return Key{
		Name: name, Kind: Integer, Default: strconv.Itoa(byDefault), Description: description,
		Allowed:    fmt.Sprintf("a whole number from %d to %d", least, maxInteger),
		setDefault: func(p *Policy) { *field(p) = byDefault },
		decode: func(p *Policy, value string) bool {
			n, ok := parseInteger(value)
			*field(p) = n
			return ok && n >= least
		},
		encode: func(p Policy) string { return strconv.Itoa(*field(&p)) },
	}
}

func number(name string, byDefault float64, valid func(float64) bool, allowed, description string, field func(*Policy) *float64) Key {
	return Key{
		Name: name, Kind: Number, Default: formatFloat(byDefault), Allowed: allowed, Description: description,
		setDefault: func(p *Policy) { *field(p) = byDefault },
		decode: func(p *Policy, value string) bool {
			n, ok := parseFloat(value)
			*field(p) = n
			return ok && valid(n)
		},
		encode: func(p Policy) string { return formatFloat(*field(&p)) },
	}
}

// target is the key for the target of a metric. A policy has only the target of its
// own metric.
func target(metric Metric, byDefault float64, description string) Key {
	k := number(metric.TargetKey(), byDefault, positive, "a number above 0", description, func(p *Policy) *float64 { return &p.Target })
	k.setDefault = func(p *Policy) {
		if p.Metric == metric {
			p.Target = byDefault
		}
	}
	k.encode = func(p Policy) string {
		if p.Metric != metric {
			return ""
		}
		return formatFloat(p.Target)
	}
	return k
}

func duration(name string, byDefault, least time.Duration, description string, field func(*Policy) *time.Duration) Key {
	return Key{
		Name: name, Kind: Duration, Default: FormatDuration(byDefault), Description: description,
		Allowed:    "a duration of at least " + FormatDuration(least) + `, such as "90s" or "10m"; bare digits mean seconds`,
		setDefault: func(p *Policy) { *field(p) = byDefault },
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
		setDefault:  func(p *Policy) { p.Hosts = nil },
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
