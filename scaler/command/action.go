package command

import (
	"fmt"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// actionStatus is a change of the count.
type actionStatus struct {
	Time time.Time `json:"time"`
	From int       `json:"from"`
	To   int       `json:"to"`
	// Rule is the rule that decided it; "" for a change by hand.
	Rule   scaler.Rule `json:"rule"`
	Reason string      `json:"reason"`
}

func newActionStatus(a *nomad.Action) *actionStatus {
	if a == nil {
		return nil
	}
	return &actionStatus{Time: a.Time.UTC(), From: a.From, To: a.To, Rule: a.Rule, Reason: a.Reason}
}

// describe returns the action in one line. It accepts nil, for no action.
func (a *actionStatus) describe(now time.Time) string {
	if a == nil {
		return "none"
	}
	words := fmt.Sprintf("%d to %d, %s, %s", a.From, a.To, formatAge(a.Time, now), describeOrigin(a.Rule))
	if a.Reason != "" {
		words += ": " + a.Reason
	}
	return words
}

// describeOrigin says which rule made a change, or that it was made by hand.
func describeOrigin(rule scaler.Rule) string {
	if rule == "" {
		return "by hand"
	}
	return "rule " + string(rule)
}
