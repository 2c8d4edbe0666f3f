package nomad

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// The keys of a scaling event's meta that nomadscale writes.
const (
	metaRule        = "nomadscale.rule"
	metaLoad        = "nomadscale.load"
	metaDemand      = "nomadscale.demand"
	metaUtilisation = "nomadscale.utilisation"
	metaGoal        = "nomadscale.goal"
	// The bounds are those of the policy with the override that was in force;
	// metaOverride is when that expires.
	metaMin      = "nomadscale.min"
	metaMax      = "nomadscale.max"
	metaBuffer   = "nomadscale.buffer"
	metaOverride = "nomadscale.override_until"
	// What was left of the cooldowns, whether or not the rule goes by them.
	metaUpCooldown   = "nomadscale.up_cooldown"
	metaDownCooldown = "nomadscale.down_cooldown"

	metaLastUp     = "nomadscale.last_up"
	metaLastChange = "nomadscale.last_change"
	// metaDesired is the count before the change.
	metaDesired = "nomadscale.desired"
	// metaCount is the count after a change that was made past a deployment's
	// lock: its event carries none.
	metaCount = "nomadscale.count"
)

// Action is one change of a group's count, from its scaling events.
type Action struct {
	Time     time.Time
	From, To int
	// Rule is the rule of the decision; "" for a change by hand.
	Rule scaler.Rule
	// Reason is the event's message.
	Reason string
}

// startsUpCooldown: an action up by hand does, like one by rule 7.
func (a Action) startsUpCooldown() bool {
	return a.To > a.From && (a.Rule == "" || a.Rule == scaler.RuleUp)
}

// History is what the scaling events of a group tell of its past. Nomad keeps
// 20 of them, replicated, so it survives every restart.
type History struct {
	// LastUp and LastChange are as in [scaler.Observation].
	LastUp, LastChange time.Time
	// LastAction is the newest change of the count, or nil.
	LastAction *Action
}

// readHistory reads the scaling events of a group, in any order. The moments
// that an event repeats in its meta stand in for events that Nomad has dropped.
func readHistory(events []api.ScalingEvent) History {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b api.ScalingEvent) int { return int(int64(a.Time) - int64(b.Time)) })
	var h History
	for _, event := range events {
		h.LastUp = latest(h.LastUp, metaTime(event, metaLastUp))
		h.LastChange = latest(h.LastChange, metaTime(event, metaLastChange))
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

// readAction reads the change of the count in an event; false when it has none.
func readAction(event api.ScalingEvent) (Action, bool) {
	from, to, ok := counts(event)
	if event.Error || !ok || from == to {
		return Action{}, false
	}
	rule, _ := event.Meta[metaRule].(string)
	return Action{
		Time:   time.Unix(0, int64(event.Time)),
		From:   from,
		To:     to,
		Rule:   scaler.Rule(rule),
		Reason: event.Message,
	}, true
}

// counts are those before and after an event; false when it changed none.
func counts(event api.ScalingEvent) (from, to int, ok bool) {
	if event.Count != nil {
		return int(event.PreviousCount), int(*event.Count), true
	}
	from, before := metaInt(event.Meta, metaDesired)
	to, after := metaInt(event.Meta, metaCount)
	return from, to, before && after
}

// MetaDesired is the count that a decision was made on, from the meta that
// [Meta] wrote; false when it is another's.
func MetaDesired(meta map[string]any) (int, bool) { return metaInt(meta, metaDesired) }

func metaInt(meta map[string]any, key string) (int, bool) {
	value, _ := meta[key].(string)
	n, err := strconv.Atoi(value)
	return n, err == nil
}

// Meta is what a scaling event says of the decision behind it and of the
// actions before it.
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
	moments := map[string]time.Time{metaLastUp: h.LastUp, metaLastChange: h.LastChange}
	if d.Override != nil {
		moments[metaOverride] = d.Override.ExpiresAt
	}
	for key, moment := range moments {
		if !moment.IsZero() {
			meta[key] = moment.UTC().Format(time.RFC3339Nano)
		}
	}
	return meta
}

func metaTime(event api.ScalingEvent, key string) time.Time {
	value, _ := event.Meta[key].(string)
	moment, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}
	}
	return moment
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func round(n float64) string { return fmt.Sprintf("%.3g", n) }
