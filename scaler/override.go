package scaler

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxOverrideTime is how far ahead an override may expire.
const MaxOverrideTime = 30 * 24 * time.Hour

// clockSkew is how much the clocks of those who set overrides and those who
// apply them may disagree.
const clockSkew = time.Minute

// Bounds are the fewest and the most instances that Nomad lets a group have,
// both included: the min and max of its scaling block.
type Bounds struct{ Min, Max int }

// Override changes what a policy says until it expires, without a new version
// of the job. It is JSON with the keys below; [ParseOverride] reads it.
type Override struct {
	// MinInstances, MaxInstances, BufferInstances and Target stand in for the
	// policy's own; nil leaves them as they are.
	MinInstances    *int     `json:"min_instances,omitempty"`
	MaxInstances    *int     `json:"max_instances,omitempty"`
	BufferInstances *int     `json:"buffer_instances,omitempty"`
	Target          *float64 `json:"target,omitempty"`
	// Hold keeps the count as it is, within the bounds that Nomad enforces. It
	// stands alone.
	Hold bool `json:"hold,omitempty"`
	// ExpiresAt is when the policy is on its own again.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Reason says what it is for, and By who has set it.
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// Live reports whether the override has not expired yet. None, a nil one, never is.
func (o *Override) Live(now time.Time) bool { return o != nil && now.Before(o.ExpiresAt) }

// Apply returns the policy as the override changes it, in a group that Nomad
// keeps within hard. One that has expired changes nothing. Nor does one that is
// out of reach, and the error joins a [*ValueError] for everything about it that
// is: an override is applied whole or not at all. It must be one that
// [ParseOverride] returned or that passed [Override.Check].
func (o *Override) Apply(p Policy, hard Bounds, now time.Time) (Policy, error) {
	if !o.Live(now) {
		return p, nil
	}
	changed := o.change(p, hard)
	if err := o.reaches(changed, hard, now); err != nil {
		return p, err
	}
	return changed, nil
}

// Check reports, as [*ValueError]s, everything that keeps the override from
// being set on a policy in a group that Nomad keeps within hard.
func (o *Override) Check(p Policy, hard Bounds, now time.Time) error {
	if err := o.valid(); err != nil {
		return err
	}
	if !o.Live(now) {
		return invalid("expires_at", o.ExpiresAt.Format(time.RFC3339), "in the future")
	}
	return o.reaches(o.change(p, hard), hard, now)
}

// change is the policy with the override's values. A hold lifts the policy's own
// bounds: the count stays wherever Nomad lets it be.
func (o *Override) change(p Policy, hard Bounds) Policy {
	p.Override = o
	if o.Hold {
		p.MinInstances, p.MaxInstances = hard.Min, hard.Max
		return p
	}
	replace(&p.MinInstances, o.MinInstances)
	replace(&p.MaxInstances, o.MaxInstances)
	replace(&p.BufferInstances, o.BufferInstances)
	replace(&p.Target, o.Target)
	return p
}

func replace[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// reaches reports what of the override is outside of what Nomad allows, of the
// time that there may be, or of what fits the rest of the policy.
func (o *Override) reaches(changed Policy, hard Bounds, now time.Time) error {
	var errs []error
	if o.MinInstances != nil && *o.MinInstances < hard.Min {
		errs = append(errs, invalid("min_instances", *o.MinInstances, "at least the min of the scaling block, which is %d", hard.Min))
	}
	if o.MaxInstances != nil && *o.MaxInstances > hard.Max {
		errs = append(errs, invalid("max_instances", *o.MaxInstances, "at most the max of the scaling block, which is %d", hard.Max))
	}
	if o.ExpiresAt.Sub(now) > MaxOverrideTime+clockSkew {
		errs = append(errs, invalid("expires_at", o.ExpiresAt.Format(time.RFC3339), "at most %s from now", FormatDuration(MaxOverrideTime)))
	}
	if err := changed.contradictions(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Changes says what the override changes: "min 2, max 50" or "hold".
func (o *Override) Changes() string {
	if o.Hold {
		return "hold"
	}
	var words []string
	for _, count := range o.counts() {
		if count.value != nil {
			words = append(words, strings.TrimSuffix(count.key, "_instances")+" "+strconv.Itoa(*count.value))
		}
	}
	if o.Target != nil {
		words = append(words, "target "+formatFloat(*o.Target))
	}
	return strings.Join(words, ", ")
}

type overrideCount struct {
	key   string
	value *int
}

func (o *Override) counts() [3]overrideCount {
	return [...]overrideCount{{"min_instances", o.MinInstances}, {"max_instances", o.MaxInstances}, {"buffer_instances", o.BufferInstances}}
}

// Until says when the override expires, as seen at a time.
func (o *Override) Until(now time.Time) string {
	const day = "2006-01-02"
	expires := o.ExpiresAt.UTC()
	if expires.Format(day) == now.UTC().Format(day) {
		return expires.Format("15:04 UTC")
	}
	return expires.Format(day + " 15:04 UTC")
}

// ParseOverride reads an override in JSON. Its error joins a [*ValueError] for
// every unknown key, wrong type and value out of range.
func ParseOverride(text []byte) (*Override, error) {
	o := new(Override)
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	if err := o.valid(); err != nil {
		return nil, err
	}
	return o, nil
}

// UnmarshalJSON reads an override and reports every unknown key and wrong type.
func (o *Override) UnmarshalJSON(text []byte) error {
	members := json.NewDecoder(bytes.NewReader(text))
	if start, err := members.Token(); err != nil || start != json.Delim('{') {
		return invalid("override", string(text), "a JSON object")
	}
	*o = Override{}
	var errs []error
	seen := make(map[string]bool)
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return err
		}
		key, _ := name.(string)
		if err := o.decode(key, string(value)); err != nil {
			errs = append(errs, err)
		} else if seen[key] {
			errs = append(errs, invalid(key, string(value), "there once"))
		}
		seen[key] = true
	}
	return errors.Join(errs...)
}

// decode reads the value of one key.
func (o *Override) decode(key, value string) error {
	decode, known := overrideKeys[key]
	if !known {
		return invalid(key, value, "removed: there is no such key")
	}
	if allowed := decode(o, value); allowed != "" {
		return invalid(key, value, "%s", allowed)
	}
	return nil
}

// overrideKeys decode the value of a key. They answer with what is allowed when
// it is not that.
var overrideKeys = map[string]func(o *Override, value string) (allowed string){
	"min_instances":    decodeCount("min_instances", func(o *Override) **int { return &o.MinInstances }),
	"max_instances":    decodeCount("max_instances", func(o *Override) **int { return &o.MaxInstances }),
	"buffer_instances": decodeCount("buffer_instances", func(o *Override) **int { return &o.BufferInstances }),
	"target": func(o *Override, value string) string {
		n, ok := parseFloat(value)
		if !ok {
			return allowedTarget
		}
		o.Target = &n
		return ""
	},
	"hold": func(o *Override, value string) string {
		if value != "true" && value != "false" {
			return "true or false"
		}
		o.Hold = value == "true"
		return ""
	},
	"expires_at": func(o *Override, value string) string {
		text, ok := decodeText(value)
		expires, err := time.Parse(time.RFC3339, text)
		if !ok || err != nil {
			return "a time such as 2026-01-02T15:04:05Z"
		}
		o.ExpiresAt = expires
		return ""
	},
	"reason": decodeLine(func(o *Override) *string { return &o.Reason }),
	"by":     decodeLine(func(o *Override) *string { return &o.By }),
}

func decodeCount(key string, field func(*Override) **int) func(*Override, string) string {
	return func(o *Override, value string) string {
		n, ok := parseInteger(value)
		if !ok {
			return keyByName[key].Allowed
		}
		*field(o) = &n
		return ""
	}
}

func decodeLine(field func(*Override) *string) func(*Override, string) string {
	return func(o *Override, value string) string {
		text, ok := decodeText(value)
		*field(o) = text
		if !ok {
			return allowedLine
		}
		return ""
	}
}

// decodeText also refuses null, which would do for a string otherwise.
func decodeText(value string) (text string, ok bool) {
	return text, strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &text) == nil
}

const (
	allowedTarget = "a number above 0"
	allowedLine   = "a text of one line and at most 200 characters"
)

func isLine(s string) bool {
	return utf8.RuneCountInString(s) <= 200 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// valid reports what is wrong with the override whatever the policy is.
func (o *Override) valid() error {
	var errs []error
	changes := o.Target != nil
	for _, count := range o.counts() {
		changes = changes || count.value != nil
		if count.value != nil {
			if err := keyByName[count.key].Check(strconv.Itoa(*count.value)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if o.Target != nil {
		if n, ok := parseFloat(formatFloat(*o.Target)); !ok || !positive(n) {
			errs = append(errs, invalid("target", formatFloat(*o.Target), allowedTarget))
		}
	}
	switch {
	case o.Hold && changes:
		errs = append(errs, invalid("hold", true, "unset beside min_instances, max_instances, buffer_instances and target, which a held count does not go by"))
	case !o.Hold && !changes:
		errs = append(errs, invalid("override", "", "a change: min_instances, max_instances, buffer_instances, target or hold"))
	}
	if o.ExpiresAt.IsZero() {
		errs = append(errs, invalid("expires_at", "", "set: an override is for a time"))
	}
	if !isLine(o.Reason) {
		errs = append(errs, invalid("reason", o.Reason, allowedLine))
	}
	if !isLine(o.By) {
		errs = append(errs, invalid("by", o.By, allowedLine))
	}
	return errors.Join(errs...)
}
