package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// eventStatus is a scaling event.
type eventStatus struct {
	actionStatus
	// Failed reports whether the event records a failure.
	Failed bool `json:"failed"`
	// The decision that the event records; null where it records none.
	Load            *float64 `json:"load"`
	Demand          *float64 `json:"demand"`
	Utilisation     *float64 `json:"utilisation"`
	Goal            *int     `json:"goal"`
	MinInstances    *int     `json:"min_instances"`
	MaxInstances    *int     `json:"max_instances"`
	BufferInstances *int     `json:"buffer_instances"`
	// OverrideUntil is the expiry time of the override that was in force.
	OverrideUntil *time.Time `json:"override_until"`
}

func newEventStatus(e nomad.Event) eventStatus {
	s := eventStatus{actionStatus: *newActionStatus(&e.Action), Failed: e.Failed}
	d := e.Decision
	if d == nil {
		return s
	}
	if d.Known {
		s.Load, s.Demand, s.Utilisation = &d.Load, &d.Demand, &d.Utilisation
	}
	s.Goal, s.MinInstances, s.MaxInstances, s.BufferInstances = &d.Goal, d.Min, d.Max, d.Buffer
	if !d.OverrideUntil.IsZero() {
		s.OverrideUntil = &d.OverrideUntil
	}
	return s
}

func eventsCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events <namespace>/<job>/<group>",
		Short: "Show an app's scaling events with their reasons, newest first",
		Long: `Show an app's scaling events with their reasons, newest first. Nomad keeps the
last 20.

With --json, each event has time, from, to, rule ("" for a change by hand), reason
and failed. From the decision it has load, demand, utilisation, goal, min_instances,
max_instances, buffer_instances and override_until. Each of those is null if the
event does not record it.

` + nomadHelp,
		Args: cobra.ExactArgs(1),
		RunE: s.runForApp(func(ctx context.Context, cmd *cobra.Command, app scaler.AppID) error {
			events, err := s.nomad.Events(ctx, app)
			if err != nil {
				return err
			}
			return s.printEvents(cmd, app, events)
		}),
	}
	s.jsonFlag(cmd)
	return cmd
}

func (s *session) printEvents(cmd *cobra.Command, app scaler.AppID, events []nomad.Event) error {
	out, now := cmd.OutOrStdout(), s.now()
	all, rows := make([]eventStatus, len(events)), make([][]string, len(events))
	for i, e := range events {
		all[i] = newEventStatus(e)
		change := fmt.Sprintf("%d to %d", e.From, e.To)
		switch {
		case e.Failed:
			change = "failed"
		case e.From == e.To:
			change = fmt.Sprintf("stays %d", e.To)
		}
		rows[i] = []string{formatPast(e.Time, now), change, describeOrigin(e.Rule), e.Reason}
	}
	if s.json {
		return writeJSON(out, all)
	}
	if len(events) == 0 {
		fmt.Fprintf(out, "%s has no scaling events yet.\n", app)
		return nil
	}
	return writeTable(out, []string{"TIME", "CHANGE", "WHO", "REASON"}, rows)
}
