package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// overrideStatus is an override and its state.
type overrideStatus struct {
	scaler.Override
	// State is in_force, expired or ignored.
	State string `json:"state"`
	// Error is why the override is ignored.
	Error string `json:"error,omitempty"`
}

// The states of an override.
const (
	stateInForce = "in_force"
	stateExpired = "expired"
	stateIgnored = "ignored"
)

func newOverrideStatus(o nomad.AppOverride, now time.Time) *overrideStatus {
	s := &overrideStatus{State: stateInForce}
	if o.Override != nil {
		s.Override = *o.Override
	}
	_, err := o.Apply(o.Block.Policy, now)
	switch {
	case err != nil:
		s.State, s.Error = stateIgnored, err.Error()
	case !o.Override.Live(now):
		s.State = stateExpired
	}
	return s
}

// describe returns the override in one line. It accepts nil, for no override.
func (o *overrideStatus) describe(now time.Time) string {
	switch {
	case o == nil:
		return "none"
	case o.ExpiresAt.IsZero():
		return o.describeState()
	case o.State == stateInForce:
		return o.Changes() + " until " + o.Until(now)
	default:
		return fmt.Sprintf("%s until %s, %s", o.Changes(), o.Until(now), o.describeState())
	}
}

func (o *overrideStatus) describeState() string {
	if o.State == stateIgnored {
		return "ignored: " + oneLine(o.Error)
	}
	return strings.ReplaceAll(o.State, "_", " ")
}
