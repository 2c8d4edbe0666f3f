package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// This file is the codec of the meta of scaling events. No other code reads or writes
// its keys.
const (
	metaRule        = "nomadscale.rule"
	metaLoad        = "nomadscale.load"
	metaDemand      = "nomadscale.demand"
	metaUtilisation = "nomadscale.utilisation"
	metaGoal        = "nomadscale.goal"
	// The bounds are those of the policy with the override in force; metaOverride is
	// when that expires.
	metaMin      = "nomadscale.min"
	metaMax      = "nomadscale.max"
	metaBuffer   = "nomadscale.buffer"
	metaOverride = "nomadscale.override_until"
	// The cooldowns are what was left of them, whether or not the rule respects them.
	metaUpCooldown   = "nomadscale.up_cooldown"
	metaDownCooldown = "nomadscale.down_cooldown"

	metaLastUp     = "nomadscale.last_up"
	metaLastChange = "nomadscale.last_change"
	// metaDesired is the count before the change.
	metaDesired = "nomadscale.desired"
	// metaCount is the count after a change that has bypassed the lock of a
	// deployment: the event of such a change has no count.
	metaCount = "nomadscale.count"
)

// Action is one change of a group's count, from its scaling events.
type Action struct {
	Time     time.Time
	From, To int
	// Rule is the rule of the decision; "" for a manual change.
	Rule scaler.Rule
	// Reason is the event's message.
	Reason string
}

// startsUpCooldown reports whether the action starts the up cooldown: rule 7 and a
// manual change upwards do.
func (a Action) startsUpCooldown() bool {
	return a.To > a.From && (a.Rule == "" || a.Rule == scaler.RuleUp)
}

// History is the past of a group according to its scaling events. Nomad replicates
// the last 20 events, so the history survives every restart.
type History struct {
	// LastUp and LastChange are as in [scaler.Observation].
	LastUp, LastChange time.Time
	// LastAction is the newest change of the count, or nil.
	LastAction *Action
}

// Event is a scaling event of a group.
type Event struct {
	// Action is the change of the count. If nothing changed, From and To are equal.
	Action
	// Failed means that the event reports a failure.
	Failed bool
	// Decision is the decision behind the event; nil for a manual change and for the
	// event of another autoscaler.
	Decision *EventDecision
}

// EventDecision is the part of a decision that its scaling event contains.
type EventDecision struct {
	// Known means that the load was known. Load, Demand and Utilisation are as in
	// [scaler.Decision], to three digits.
	Known                     bool
	Load, Demand, Utilisation float64
	// Goal is the count that the load called for.
	Goal int
	// Min, Max and Buffer are those of the policy with the override in force; nil if
	// the event does not contain them. OverrideUntil is when the override expires;
	// zero without one.
	Min, Max, Buffer *int
	OverrideUntil    time.Time
}

// Meta encodes a decision and the times of the actions before it as the meta of a
// scaling event.
func Meta(d scaler.Decision, h History) map[string]any {
	meta := map[string]any{
		metaRule:    string(d.Rule),
		metaDesired: strconv.Itoa(d.Desired),
		metaGoal:    strconv.Itoa(d.Goal),
		metaMin:     strconv.Itoa(d.MinInstances),
		metaMax:     strconv.Itoa(d.MaxInstances),
		metaBuffer:  strconv.Itoa(d.BufferInstances),
	}
	if d.Known {
		meta[metaLoad], meta[metaDemand], meta[metaUtilisation] = round(d.Load), round(d.Demand), round(d.Utilisation)
	}
	for key, left := range map[string]time.Duration{metaUpCooldown: d.UpCooldown, metaDownCooldown: d.DownCooldown} {
		if left > 0 {
			meta[key] = scaler.FormatDuration(left.Round(time.Second))
		}
	}
	times := map[string]time.Time{metaLastUp: h.LastUp, metaLastChange: h.LastChange}
	if d.Override != nil {
		times[metaOverride] = d.Override.ExpiresAt
	}
	for key, t := range times {
		if !t.IsZero() {
			meta[key] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	return meta
}

func round(n float64) string { return fmt.Sprintf("%.3g", n) }

// withCounts adds the counts of a change to a meta, for an event that has none.
func withCounts(meta map[string]any, from, to int) map[string]any {
	all := map[string]any{metaDesired: strconv.Itoa(from), metaCount: strconv.Itoa(to)}
	maps.Copy(all, meta)
	return all
}

// MetaDesired returns the count before a decision, from the meta that [Meta] has
// encoded. It returns false for any other meta.
func MetaDesired(meta map[string]any) (int, bool) { return metaInt(meta, metaDesired) }

// readHistory decodes the scaling events of a group, in any order. Each event repeats
// the times of earlier actions, which replace the events that Nomad has dropped.
func readHistory(events []api.ScalingEvent) History {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b api.ScalingEvent) int { return int(int64(a.Time) - int64(b.Time)) })
	var h History
	for _, event := range events {
		h.LastUp = latest(h.LastUp, metaTime(event.Meta, metaLastUp))
		h.LastChange = latest(h.LastChange, metaTime(event.Meta, metaLastChange))
		action, ok := readAction(event)
		if !ok {
			continue
		}
		h.LastAction = &action
		h.LastChange = latest(h.LastChange, action.Time)
		if action.startsUpCooldown() {
			h.LastUp = latest(h.LastUp, action.Time)
		}
	}
	return h
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// readEvents decodes the scaling events of a group, and returns the newest first.
func readEvents(raw []api.ScalingEvent) []Event {
	events := make([]Event, len(raw))
	for i, e := range raw {
		events[i] = readEvent(e)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return events
}

func readEvent(e api.ScalingEvent) Event {
	action, changed := readAction(e)
	if !changed {
		action = Action{Time: time.Unix(0, int64(e.Time)), From: int(e.PreviousCount), To: int(e.PreviousCount), Reason: e.Message}
	}
	event := Event{Action: action, Failed: e.Error}
	if event.Rule = metaOfRule(e.Meta); event.Rule == "" {
		return event
	}
	d := EventDecision{
		Min: metaCounted(e.Meta, metaMin), Max: metaCounted(e.Meta, metaMax), Buffer: metaCounted(e.Meta, metaBuffer),
		OverrideUntil: metaTime(e.Meta, metaOverride),
	}
	d.Goal, _ = metaInt(e.Meta, metaGoal)
	d.Load, d.Known = metaFloat(e.Meta, metaLoad)
	d.Demand, _ = metaFloat(e.Meta, metaDemand)
	d.Utilisation, _ = metaFloat(e.Meta, metaUtilisation)
	event.Decision = &d
	return event
}

// readAction decodes the change of the count in an event; false if there is none.
func readAction(event api.ScalingEvent) (Action, bool) {
	from, to, ok := counts(event)
	if event.Error || !ok || from == to {
		return Action{}, false
	}
	return Action{
		Time:   time.Unix(0, int64(event.Time)),
		From:   from,
		To:     to,
		Rule:   metaOfRule(event.Meta),
		Reason: event.Message,
	}, true
}

// counts returns the counts before and after an event; false if it has none.
func counts(event api.ScalingEvent) (from, to int, ok bool) {
	if event.Count != nil {
		return int(event.PreviousCount), int(*event.Count), true
	}
	from, before := metaInt(event.Meta, metaDesired)
	to, after := metaInt(event.Meta, metaCount)
	return from, to, before && after
}

func metaOfRule(meta map[string]any) scaler.Rule {
	rule, _ := meta[metaRule].(string)
	return scaler.Rule(rule)
}

func metaInt(meta map[string]any, key string) (int, bool) {
	value, _ := meta[key].(string)
	n, err := strconv.Atoi(value)
	return n, err == nil
}

func metaCounted(meta map[string]any, key string) *int {
	if n, ok := metaInt(meta, key); ok {
		return &n
	}
	return nil
}

func metaFloat(meta map[string]any, key string) (float64, bool) {
	value, _ := meta[key].(string)
	n, err := strconv.ParseFloat(value, 64)
	return n, err == nil
}

func metaTime(meta map[string]any, key string) time.Time {
	value, _ := meta[key].(string)
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}
	}
	return t
}
