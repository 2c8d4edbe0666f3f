package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// appStatus is the status of an app.
type appStatus struct {
	App scaler.AppID `json:"app"`
	// Error is what is wrong with the policy, or why the status is not known.
	Error string `json:"error,omitempty"`

	Enabled bool `json:"enabled"`
	Stopped bool `json:"stopped"`
	// Desired is the count that Nomad should run, and Running the count that runs.
	Desired int `json:"desired"`
	Running int `json:"running"`

	Metric scaler.Metric `json:"metric,omitempty"`
	// Load is the load of all gateways together; null when it is not known.
	Load *float64 `json:"load"`

	// The bounds include the override in force.
	MinInstances    int `json:"min_instances"`
	MaxInstances    int `json:"max_instances"`
	BufferInstances int `json:"buffer_instances"`

	LastAction *actionStatus   `json:"last_action"`
	NextUp     nextAction      `json:"next_up"`
	NextDown   nextAction      `json:"next_down"`
	Override   *overrideStatus `json:"override"`
}

func newAppStatus(app scaler.AppID, status nomad.Status, override *nomad.AppOverride, now time.Time) appStatus {
	a := appStatus{
		App: app, Stopped: status.Stopped, Desired: status.Desired, Running: status.Running,
		LastAction: newActionStatus(status.History.LastAction),
	}
	if override != nil {
		a.Override = newOverrideStatus(*override, now)
	}
	return a
}

// setPolicy adds what follows from the policy in force and its decision.
func (a *appStatus) setPolicy(p scaler.Policy, status nomad.Status, d scaler.Decision) {
	a.Enabled, a.Metric = p.Enabled, p.Metric
	a.MinInstances, a.MaxInstances, a.BufferInstances = p.MinInstances, p.MaxInstances, p.BufferInstances
	a.NextUp, a.NextDown = nextActions(p, status, d)
}

func statusCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [<namespace>/<job>/<group>…]",
		Short: "Show apps: counts, load, last and next possible actions, overrides",
		Long: `Show apps: how many instances are desired and running, the load, the last action
with its reason, the earliest next action in each direction, and overrides.

` + gatewayHelp + `

With --json, each app has app, error, enabled, stopped, desired, running, metric,
load (null if it is not known), min_instances, max_instances and buffer_instances.
last_action has time, from, to, rule ("" for a change by hand) and reason. next_up
and next_down have in_seconds. It is null if blocked_by names what must change first:
stopped, disabled, held, max_instances or min_instances. override has its values,
expires_at, reason, by, state (in_force, expired or ignored) and error.

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

// apps returns the apps that the arguments name, or all apps without arguments.
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
			return nil, fmt.Errorf("there is no app %s; nomadscale why %s says more, and nomadscale status lists all apps", arg, arg)
		}
		named[i] = all[n]
	}
	return named, nil
}

func (s *session) printStatus(ctx context.Context, cmd *cobra.Command, apps []nomad.App) error {
	gateways, err := s.gatewayClient()
	if err != nil {
		return err
	}
	loads, notes := map[scaler.AppID]api.TotalLoad{}, []string(nil)
	if slices.ContainsFunc(apps, func(a nomad.App) bool { return a.Err == nil && a.Policy.Metric != scaler.Custom }) {
		if loads, err = gateways.Loads(ctx); err != nil {
			notes = append(notes, fmt.Sprintf("The load is not known: %v.", err))
		}
	}
	overrides := make(map[scaler.AppID]*nomad.AppOverride)
	listed, err := s.nomad.ListOverrides(ctx)
	if err != nil {
		notes = append(notes, fmt.Sprintf("Overrides are not known: %v.", err))
	}
	for _, o := range listed {
		if overrides[o.App] = &o; o.App.Job == "" {
			notes = append(notes, fmt.Sprintf("%s in namespace %s: %v.", o.Path, o.App.Namespace, o.Err))
		}
	}
	ids := make([]scaler.AppID, len(apps))
	for i, app := range apps {
		ids[i] = app.ID
	}
	statuses, errs := s.nomad.Statuses(ctx, ids)

	all := make([]appStatus, len(apps))
	for i, app := range apps {
		all[i] = s.status(app, statuses[i], errors.Join(app.Err, errs[i]), loads, overrides[app.ID])
	}
	if s.json {
		return writeJSON(cmd.OutOrStdout(), all)
	}
	return s.tabulate(cmd, all, notes)
}

// status combines what is known about an app. The error is why its policy or its count
// is not known.
func (s *session) status(
	app nomad.App, status nomad.Status, err error, loads map[scaler.AppID]api.TotalLoad, override *nomad.AppOverride,
) appStatus {
	now := s.now()
	a := newAppStatus(app.ID, status, override, now)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	p := app.Policy
	if override != nil {
		p, _ = override.Apply(p, now) // the override's status has the error
	}
	o := scaler.Observation{Now: now, Desired: status.Desired, LastUp: status.History.LastUp, LastChange: status.History.LastChange}
	if load, known := loads[a.App]; known {
		if n, measured := load.In(p.Metric); measured {
			a.Load, o.Series = &n, []scaler.Sample{{Time: now, Value: n}}
		}
	}
	a.setPolicy(p, status, scaler.Decide(p, o))
	return a
}

func (s *session) tabulate(cmd *cobra.Command, all []appStatus, notes []string) error {
	out, now := cmd.OutOrStdout(), s.now()
	if len(all) == 0 {
		fmt.Fprintln(out, "There are no apps: no scaling block uses the strategy nomadscale, or the token cannot read it.")
	} else {
		rows := make([][]string, len(all))
		for i, a := range all {
			rows[i] = []string{
				a.App.String(), strconv.Itoa(a.Desired), strconv.Itoa(a.Running), formatLoad(a.Metric, a.Load),
				a.NextUp.describe(), a.NextDown.describe(), a.Override.describe(now), a.LastAction.describe(now),
			}
			if a.Error != "" {
				rows[i][4], rows[i][5] = "?", "?"
				notes = append(notes, fmt.Sprintf("%s: %s.", a.App, oneLine(a.Error)))
			}
		}
		head := []string{"APP", "DESIRED", "RUNNING", "LOAD", "NEXT UP", "NEXT DOWN", "OVERRIDE", "LAST ACTION"}
		if err := writeTable(out, head, rows); err != nil {
			return err
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(notes, "\n"))
	}
	return nil
}
