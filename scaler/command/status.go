package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// appStatus is an app as it stands.
type appStatus struct {
	App scaler.AppID `json:"app"`
	// Error is what is wrong with the policy, or why nothing is known.
	Error string `json:"error,omitempty"`

	Enabled bool `json:"enabled"`
	Stopped bool `json:"stopped"`
	// Desired is the count that Nomad is asked to run; Running are up.
	Desired int `json:"desired"`
	Running int `json:"running"`

	Metric scaler.Metric `json:"metric,omitempty"`
	// Load is that of all gateways together; null when it is not known.
	Load *float64 `json:"load"`

	// The bounds are those with the override in force.
	MinInstances    int `json:"min_instances"`
	MaxInstances    int `json:"max_instances"`
	BufferInstances int `json:"buffer_instances"`

	LastAction *actionStatus   `json:"last_action"`
	NextUp     nextAction      `json:"next_up"`
	NextDown   nextAction      `json:"next_down"`
	Override   *overrideStatus `json:"override"`
}

func statusCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [<namespace>/<job>/<group>…]",
		Short: "Show apps: counts, load, last and next possible actions, overrides",
		Long: `Show apps: how many instances are desired and running, the load, the last action
with its reason, when the count can move next in each direction, and overrides.

` + gatewayHelp + `

With --json, for each app: app, error, enabled, stopped, desired, running, metric,
load (null when not known), min_instances, max_instances, buffer_instances;
last_action with time, from, to, rule ("" when by hand) and reason; next_up and
next_down with in_seconds, which is null when blocked_by says what has to change
first (stopped, disabled, held, max_instances or min_instances); override with its
values, expires_at, reason, by, state (in_force, expired or ignored) and error.

` + nomadHelp,
		RunE: s.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
			apps, err := s.apps(ctx, args)
			if err != nil {
				return err
			}
			return s.printStatus(ctx, cmd, apps)
		}),
	}
	s.jsonFlag(cmd)
	s.gatewayFlags(cmd)
	return cmd
}

// apps are those that the arguments name, or all.
func (s *session) apps(ctx context.Context, args []string) ([]nomad.App, error) {
	for _, arg := range args {
		if _, err := scaler.ParseAppID(arg); err != nil {
			return nil, err
		}
	}
	all, err := s.nomad.Apps(ctx)
	if err != nil || len(args) == 0 {
		return all, err
	}
	named := make([]nomad.App, len(args))
	for i, arg := range args {
		n := slices.IndexFunc(all, func(a nomad.App) bool { return a.ID.String() == arg })
		if n < 0 {
			return nil, fmt.Errorf("there is no app %s; nomadscale why %s says more, and nomadscale status lists all", arg, arg)
		}
		named[i] = all[n]
	}
	return named, nil
}

func (s *session) printStatus(ctx context.Context, cmd *cobra.Command, apps []nomad.App) error {
	gateways, err := s.load()
	if err != nil {
		return err
	}
	loads, notes := map[scaler.AppID]api.TotalLoad{}, []string(nil)
	if slices.ContainsFunc(apps, func(a nomad.App) bool { return a.Err == nil && a.Policy.Metric != scaler.Custom }) {
		if loads, err = gateways.Loads(ctx); err != nil {
			notes = append(notes, fmt.Sprintf("The load is not known: %v.", err))
		}
	}
	overrides := make(map[scaler.AppID]nomad.AppOverride)
	listed, err := s.nomad.ListOverrides(ctx)
	if err != nil {
		notes = append(notes, fmt.Sprintf("Overrides are not known: %v.", err))
	}
	for _, o := range listed {
		if overrides[o.App] = o; o.App.Job == "" {
			notes = append(notes, fmt.Sprintf("%s in namespace %s: %v.", o.Path, o.App.Namespace, o.Err))
		}
	}
	targets := make([]scaler.AppID, len(apps))
	for i, app := range apps {
		targets[i] = app.ID
	}
	statuses, errs := s.nomad.Statuses(ctx, targets)

	all := make([]appStatus, len(apps))
	for i, app := range apps {
		var override *nomad.AppOverride
		if o, ok := overrides[targets[i]]; ok {
			override = &o
		}
		all[i] = s.status(app, statuses[i], errors.Join(app.Err, errs[i]), loads, override)
	}
	if s.json {
		return writeJSON(cmd.OutOrStdout(), all)
	}
	return s.tabulate(cmd, all, notes)
}

// status puts together what is known of an app.
func (s *session) status(app nomad.App, status nomad.Status, err error, loads map[scaler.AppID]api.TotalLoad, override *nomad.AppOverride) appStatus {
	now := s.now()
	a := appStatus{
		App: app.ID, Stopped: status.Stopped, Desired: status.Desired, Running: status.Running,
		LastAction: newActionStatus(status.History.LastAction),
	}
	if override != nil {
		a.Override = newOverrideStatus(*override, now)
	}
	if err != nil {
		a.Error = err.Error()
		return a
	}
	p := app.Policy
	if override != nil {
		p, _ = override.Apply(p, now) // why not is in the override's status
	}
	o := scaler.Observation{Now: now, Desired: status.Desired, LastUp: status.History.LastUp, LastChange: status.History.LastChange}
	if load, known := loads[a.App]; known {
		if n, measured := load.In(p.Metric); measured {
			a.Load, o.Series = &n, []scaler.Sample{{Time: now, Value: n}}
		}
	}
	a.Enabled, a.Metric = p.Enabled, p.Metric
	a.MinInstances, a.MaxInstances, a.BufferInstances = p.MinInstances, p.MaxInstances, p.BufferInstances
	a.NextUp, a.NextDown = nextActions(p, status, scaler.Decide(p, o))
	return a
}

func (s *session) tabulate(cmd *cobra.Command, all []appStatus, notes []string) error {
	out, now := cmd.OutOrStdout(), s.now()
	if len(all) == 0 {
		fmt.Fprintln(out, "There are no apps: no scaling block uses the strategy nomadscale, or the token may not see it.")
	} else {
		rows := make([][]string, len(all))
		for i, a := range all {
			rows[i] = []string{
				a.App.String(), strconv.Itoa(a.Desired), strconv.Itoa(a.Running), loadWords(a.Metric, a.Load),
				a.NextUp.describe(), a.NextDown.describe(), a.Override.describe(now), a.LastAction.describe(now),
			}
			if a.Error != "" {
				rows[i][4], rows[i][5] = "?", "?"
				notes = append(notes, fmt.Sprintf("%s: %s.", a.App, strings.ReplaceAll(a.Error, "\n", "; ")))
			}
		}
		if err := table(out, []string{"APP", "DESIRED", "RUNNING", "LOAD", "NEXT UP", "NEXT DOWN", "OVERRIDE", "LAST ACTION"}, rows); err != nil {
			return err
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(notes, "\n"))
	}
	return nil
}

// loadWords print a load in its metric.
func loadWords(metric scaler.Metric, load *float64) string {
	switch {
	case load == nil:
		return "?"
	case metric == scaler.RequestsPerMinute:
		return short(*load) + "/min"
	default:
		return short(*load)
	}
}
