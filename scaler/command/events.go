package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// eventStatus is a scaling event.
type eventStatus struct {
	actionStatus
	// Failed tells that the event is about something that went wrong.
	Failed bool `json:"failed"`
	// What the event keeps of the decision; null when it does not tell.
	Load            *float64 `json:"load"`
	Demand          *float64 `json:"demand"`
	Utilisation     *float64 `json:"utilisation"`
	Goal            *int     `json:"goal"`
	MinInstances    *int     `json:"min_instances"`
	MaxInstances    *int     `json:"max_instances"`
	BufferInstances *int     `json:"buffer_instances"`
	// OverrideUntil is when the override that was in force was to expire.
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

With --json, for each event: time, from, to, rule ("" when by hand), reason, failed;
and of the decision load, demand, utilisation, goal, min_instances, max_instances,
buffer_instances and override_until, each null when the event does not tell it.

` + nomadHelp,
		Args: cobra.ExactArgs(1),
		RunE: s.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
			app, err := scaler.ParseAppID(args[0])
			if err != nil {
				return err
			}
			events, err := s.nomad.Events(ctx, app)
			if errors.Is(err, nomad.ErrNotFound) {
				return fmt.Errorf("%w\nnomadscale status lists the apps", err)
			}
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
		rows[i] = []string{moment(e.Time, now), change, who(e.Rule), e.Reason}
	}
	if s.json {
		return writeJSON(out, all)
	}
	if len(events) == 0 {
		fmt.Fprintf(out, "%s has no scaling events yet.\n", app)
		return nil
	}
	return table(out, []string{"TIME", "CHANGE", "WHO", "REASON"}, rows)
}
