package command

import (
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// nextAction is the earliest time at which the count can change in one direction.
type nextAction struct {
	// InSeconds is 0 when the count can change now. It is null when BlockedBy names
	// what must change first: stopped, disabled, held, max_instances or min_instances.
	InSeconds *float64 `json:"in_seconds"`
	BlockedBy string   `json:"blocked_by,omitempty"`
}

func (n nextAction) describe() string {
	switch {
	case n.InSeconds == nil && strings.HasSuffix(n.BlockedBy, "_instances"):
		return "at " + n.BlockedBy
	case n.InSeconds == nil:
		return n.BlockedBy
	case *n.InSeconds == 0:
		return "now"
	default:
		return "in " + formatDuration(time.Duration(*n.InSeconds*float64(time.Second)))
	}
}

// nextActions returns the next actions up and down. They depend on cooldowns and
// bounds only, not on whether the load needs a change.
func nextActions(p scaler.Policy, status nomad.Status, d scaler.Decision) (up, down nextAction) {
	blocked := ""
	switch {
	case status.Stopped:
		blocked = "stopped"
	case d.Rule == scaler.RuleDisabled:
		blocked = "disabled"
	case d.Rule == scaler.RuleHeld:
		blocked = "held"
	}
	if blocked != "" {
		return nextAction{BlockedBy: blocked}, nextAction{BlockedBy: blocked}
	}
	up, down = actionIn(d.UpCooldown), actionIn(d.DownCooldown)
	switch {
	case d.Desired >= p.MaxInstances:
		up = nextAction{BlockedBy: "max_instances"}
	case d.Desired == 0 || d.Desired < p.MinInstances:
		up = actionIn(0)
	}
	switch {
	case d.Desired <= p.MinInstances:
		down = nextAction{BlockedBy: "min_instances"}
	case d.Desired > p.MaxInstances || d.Rule == scaler.RuleInactive:
		down = actionIn(0)
	}
	return up, down
}

func actionIn(d time.Duration) nextAction { return nextAction{InSeconds: new(d.Seconds())} }
