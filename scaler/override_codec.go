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
		token, err := members.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return err
		}
		name, _ := token.(string)
		switch key, known := overrideKeys[name]; {
		case !known:
			errs = append(errs, invalid(name, string(value), "removed: there is no such key"))
		case !key.decode(o, string(value)):
			errs = append(errs, invalid(name, string(value), "%s", key.allowed))
		case seen[name]:
			errs = append(errs, invalid(name, string(value), "given only once"))
		}
		seen[name] = true
	}
	return errors.Join(errs...)
}

const (
	allowedTarget = "a number above 0"
	allowedLine   = "a text of one line and at most 200 characters"
)

// overrideKeys are the keys of an override. Each says what type of value it has.
var overrideKeys = map[string]struct {
	allowed string
	// decode sets a value, as it is written in JSON, and reports whether it has
	// the right type.
	decode func(o *Override, value string) bool
}{
	"min_instances":    {keyByName["min_instances"].Allowed, decodeCount(func(o *Override) **int { return &o.MinInstances })},
	"max_instances":    {keyByName["max_instances"].Allowed, decodeCount(func(o *Override) **int { return &o.MaxInstances })},
	"buffer_instances": {keyByName["buffer_instances"].Allowed, decodeCount(func(o *Override) **int { return &o.BufferInstances })},
	"target": {allowedTarget, func(o *Override, value string) bool {
		n, ok := parseFloat(value)
		o.Target = &n
		return ok
	}},
	"hold": {"true or false", func(o *Override, value string) bool {
		o.Hold = value == "true"
		return o.Hold || value == "false"
	}},
	"expires_at": {"a time such as 2026-01-02T15:04:05Z", func(o *Override, value string) bool {
		text, ok := decodeText(value)
		expires, err := time.Parse(time.RFC3339, text)
		o.ExpiresAt = expires
		return ok && err == nil
	}},
	"reason": {allowedLine, func(o *Override, value string) (ok bool) { o.Reason, ok = decodeText(value); return ok }},
	"by":     {allowedLine, func(o *Override, value string) (ok bool) { o.By, ok = decodeText(value); return ok }},
}

func decodeCount(field func(*Override) **int) func(*Override, string) bool {
	return func(o *Override, value string) bool {
		n, ok := parseInteger(value)
		*field(o) = &n
		return ok
	}
}

// decodeText refuses null, which json.Unmarshal accepts for a string.
func decodeText(value string) (text string, ok bool) {
	ok = strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &text) == nil
	return text, ok
}

// valid reports what is wrong with the override independently of a policy.
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
		errs = append(errs, invalid("hold", true, "unset with min_instances, max_instances, buffer_instances or target: a hold keeps the count"))
	case !o.Hold && !changes:
		errs = append(errs, invalid("override", "", "a change: min_instances, max_instances, buffer_instances, target or hold"))
	}
	if o.ExpiresAt.IsZero() {
		errs = append(errs, invalid("expires_at", "", "set, because an override is temporary"))
	}
	if !isLine(o.Reason) {
		errs = append(errs, invalid("reason", o.Reason, allowedLine))
	}
	if !isLine(o.By) {
		errs = append(errs, invalid("by", o.By, allowedLine))
	}
	return errors.Join(errs...)
}

func isLine(s string) bool {
	return utf8.RuneCountInString(s) <= 200 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
