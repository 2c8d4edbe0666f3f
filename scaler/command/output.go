package command

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// table prints rows for people, in columns.
func table(w io.Writer, head []string, rows [][]string) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(columns, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return columns.Flush()
}

// short prints a number without more digits than people read.
func short(n float64) string {
	return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64)
}

// lasting prints a duration as precisely as its length calls for, rounded up so
// that nothing reads as over before it is.
func lasting(d time.Duration) string {
	unit := time.Second
	switch {
	case d >= 48*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Hours()/24))) + "d"
	case d >= time.Hour:
		unit = time.Minute
	}
	return scaler.FormatDuration((d + unit - 1).Truncate(unit))
}

// moment prints a time of the past with how long ago that is.
func moment(at, now time.Time) string {
	return fmt.Sprintf("%s (%s ago)", at.UTC().Format("2006-01-02 15:04:05 UTC"), lasting(max(0, now.Sub(at))))
}

// actionStatus is a change of the count.
type actionStatus struct {
	Time time.Time `json:"time"`
	From int       `json:"from"`
	To   int       `json:"to"`
	// Rule is the rule that has fired; "" for a change by hand.
	Rule   scaler.Rule `json:"rule"`
	Reason string      `json:"reason"`
}

func newActionStatus(a *nomad.Action) *actionStatus {
	if a == nil {
		return nil
	}
	return &actionStatus{Time: a.Time.UTC(), From: a.From, To: a.To, Rule: a.Rule, Reason: a.Reason}
}

// who has made a change.
func who(rule scaler.Rule) string {
	if rule == "" {
		return "by hand"
	}
	return "rule " + string(rule)
}

func (a *actionStatus) describe(now time.Time) string {
	if a == nil {
		return "none"
	}
	words := fmt.Sprintf("%d to %d, %s ago, %s", a.From, a.To, lasting(max(0, now.Sub(a.Time))), who(a.Rule))
	if a.Reason != "" {
		words += ": " + a.Reason
	}
	return words
}

// overrideStatus is an override as it stands.
type overrideStatus struct {
	scaler.Override
	// State is in_force, expired or ignored.
	State string `json:"state"`
	// Error says why it is ignored.
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

// describe says what the override changes and until when.
func (o *overrideStatus) describe(now time.Time) string {
	switch {
	case o == nil:
		return "none"
	case o.ExpiresAt.IsZero():
		return o.state()
	case o.State == stateInForce:
		return o.Changes() + " until " + o.Until(now)
	default:
		return fmt.Sprintf("%s until %s, %s", o.Changes(), o.Until(now), o.state())
	}
}

// state says how the override stands.
func (o *overrideStatus) state() string {
	if o.State == stateIgnored {
		return "ignored: " + strings.ReplaceAll(o.Error, "\n", "; ")
	}
	return strings.ReplaceAll(o.State, "_", " ")
}

// nextAction is when the count can move in a direction at the earliest.
type nextAction struct {
	// InSeconds is 0 when it can move now, and null when BlockedBy says what has
	// to change first: stopped, disabled, held, max_instances or min_instances.
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
		return "in " + lasting(time.Duration(*n.InSeconds*float64(time.Second)))
	}
}

// nextActions are those up and down. They go by the cooldowns and the bounds;
// whether the load calls for a move is another question.
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
	up, down = within(d.UpCooldown), within(d.DownCooldown)
	switch {
	case d.Desired >= p.MaxInstances:
		up = nextAction{BlockedBy: "max_instances"}
	case d.Desired == 0 || d.Desired < p.MinInstances:
		up = within(0)
	}
	switch {
	case d.Desired <= p.MinInstances:
		down = nextAction{BlockedBy: "min_instances"}
	case d.Desired > p.MaxInstances || d.Rule == scaler.RuleInactive:
		down = within(0)
	}
	return up, down
}

func within(d time.Duration) nextAction { return nextAction{InSeconds: new(d.Seconds())} }
