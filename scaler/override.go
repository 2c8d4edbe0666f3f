package scaler

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxOverrideTime is the longest time that an override may last.
const MaxOverrideTime = 30 * 24 * time.Hour

// clockSkew is the largest allowed difference between the clocks of a machine that
// sets an override and one that applies it.
const clockSkew = time.Minute

// Bounds are the lowest and the highest count that Nomad allows for a group: the min
// and max of its scaling block.
type Bounds struct{ Min, Max int }

// Override changes a policy until it expires, without a new version of the job. It
// is written as JSON with the keys below, which [ParseOverride] reads.
type Override struct {
	// MinInstances, MaxInstances, BufferInstances and Target replace the values of
	// the policy; nil leaves the policy's value.
	MinInstances    *int     `json:"min_instances,omitempty"`
	MaxInstances    *int     `json:"max_instances,omitempty"`
	BufferInstances *int     `json:"buffer_instances,omitempty"`
	Target          *float64 `json:"target,omitempty"`
	// Hold keeps the count as it is, within the bounds that Nomad enforces. It
	// cannot be combined with the changes above.
	Hold bool `json:"hold,omitempty"`
	// ExpiresAt is when the override ends.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Reason is the purpose of the override, and By who set it.
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// Live reports whether there is an override that has not expired.
func (o *Override) Live(now time.Time) bool { return o != nil && now.Before(o.ExpiresAt) }

// Apply returns the policy with the override applied, for a group that Nomad keeps
// within hard. An expired override changes nothing. Neither does one with a value
// that is out of range: an override is applied completely or not at all. The error
// joins a [*ValueError] for each such value. The override must come from
// [ParseOverride] or have passed [Override.Check].
func (o *Override) Apply(p Policy, hard Bounds, now time.Time) (Policy, error) {
	if !o.Live(now) {
		return p, nil
	}
	changed := o.change(p, hard)
	if err := o.checkApplied(changed, hard, now); err != nil {
		return p, err
	}
	return changed, nil
}

// Check reports, as [*ValueError]s, everything that prevents the override from being
// set on a policy, for a group that Nomad keeps within hard.
func (o *Override) Check(p Policy, hard Bounds, now time.Time) error {
	if err := o.valid(); err != nil {
		return err
	}
	if !o.Live(now) {
		return invalid("expires_at", o.ExpiresAt.Format(time.RFC3339), "in the future")
	}
	return o.checkApplied(o.change(p, hard), hard, now)
}

// change is the policy with the override's values. A hold replaces the policy's
// bounds by those of Nomad.
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

// checkApplied reports what of the override is outside of hard, lasts too long or
// contradicts the rest of the policy.
func (o *Override) checkApplied(changed Policy, hard Bounds, now time.Time) error {
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

// Until writes when the override expires. It leaves out the date if that is today.
func (o *Override) Until(now time.Time) string {
	const day = "2006-01-02"
	expires := o.ExpiresAt.UTC()
	if expires.Format(day) == now.UTC().Format(day) {
		return expires.Format("15:04 UTC")
	}
	return expires.Format(day + " 15:04 UTC")
}
