package command

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func overrideCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override",
		Short: "Change an app's bounds, buffer or target for a while, or hold its count",
		Long: `Change an app's bounds, buffer or target for a while, or hold its count.

An override takes effect at the next decision and needs no new version of the job. It
expires by itself. It changes min_instances and max_instances within the min and max
of the group's scaling block (hard_min_instances and hard_max_instances in Terraform).
Nomad itself enforces those.

Overrides are Nomad Variables below nomadscale/overrides/ in the app's namespace.
` + nomadHelp,
	}
	cmd.AddCommand(s.overrideSet(), s.overrideList(), s.overrideClear())
	return cmd
}

func (s *session) overrideSet() *cobra.Command {
	var o scaler.Override
	var low, high, buffer int
	var target float64
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "set <namespace>/<job>/<group>",
		Short: "Set an app's override and replace the one that it has",
		Example: `  # Let it grow to 50 for a launch
  nomadscale override set default/web/app --max 50 --for 2h --reason launch

  # Keep the count as it is during an investigation
  nomadscale override set default/web/app --hold --for 30m`,
		Args: cobra.ExactArgs(1),
		RunE: s.runForApp(func(ctx context.Context, cmd *cobra.Command, app scaler.AppID) error {
			given := cmd.Flags().Changed
			if given("min") {
				o.MinInstances = &low
			}
			if given("max") {
				o.MaxInstances = &high
			}
			if given("buffer") {
				o.BufferInstances = &buffer
			}
			if given("target") {
				o.Target = &target
			}
			o.ExpiresAt = s.now().Add(lifetime).UTC().Truncate(time.Second)
			return s.setOverride(ctx, cmd, app, &o)
		}),
	}
	flags := cmd.Flags()
	flags.IntVar(&low, "min", 0, "least number of instances")
	flags.IntVar(&high, "max", 0, "greatest number of instances")
	flags.IntVar(&buffer, "buffer", 0, "warm spare instances in addition to those that the load needs")
	flags.Float64Var(&target, "target", 0, "load of one instance at 100 %, in the policy's metric")
	flags.BoolVar(&o.Hold, "hold", false, "keep the count as it is")
	flags.DurationVar(&lifetime, "for", 0, "how long it lasts, such as 90s or 2h; at most "+scaler.FormatDuration(scaler.MaxOverrideTime))
	flags.StringVar(&o.Reason, "reason", "", "why it is set")
	flags.StringVar(&o.By, "by", "", "who sets it (default the user's name)")
	if err := cmd.MarkFlagRequired("for"); err != nil {
		panic(err)
	}
	return cmd
}

func (s *session) setOverride(ctx context.Context, cmd *cobra.Command, app scaler.AppID, o *scaler.Override) error {
	if o.By == "" {
		if u, err := user.Current(); err == nil {
			o.By = u.Username
		}
	}
	previous, err := s.nomad.Override(ctx, app)
	if err != nil && !errors.Is(err, nomad.ErrNotFound) {
		return err
	}
	now := s.now()
	_, err = s.nomad.SetOverride(ctx, app, o, previous.ModifyIndex, now)
	switch {
	case errors.Is(err, nomad.ErrConflict):
		return fmt.Errorf("%w: look at it with nomadscale override list, and set it again", err)
	case len(scaler.ValueErrors(err)) > 0:
		return fmt.Errorf("%w\n%s", err, overrideRemedy(scaler.ValueErrors(err)))
	case err != nil:
		return err
	}
	words := fmt.Sprintf("%s: %s until %s, from the next decision on.", app, o.Changes(), o.Until(now))
	if previous.Override != nil && previous.Override.Live(now) {
		words += fmt.Sprintf(" It replaces %s until %s.", previous.Override.Changes(), previous.Override.Until(now))
	}
	fmt.Fprintln(cmd.OutOrStdout(), words)
	return nil
}

// overrideRemedy says what the user can do about refused values.
func overrideRemedy(refused []*scaler.ValueError) string {
	for _, r := range refused {
		if strings.Contains(r.Allowed, "of the scaling block") {
			return "Nothing has changed. First change the limits of the job: min and max of the group's scaling block, " +
				"hard_min_instances and hard_max_instances in Terraform"
		}
	}
	return "Nothing has changed"
}

// overrideRow is an override in a list.
type overrideRow struct {
	App       string `json:"app"`
	Namespace string `json:"namespace"`
	Job       string `json:"job"`
	Group     string `json:"group"`
	*overrideStatus
}

func (s *session) overrideList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the overrides of all apps",
		Long: `List the overrides of all apps: those in force, expired ones, and ignored ones with
the reason.

With --json, each override has app, namespace, job and group; of min_instances,
max_instances, buffer_instances, target and hold those that are set; and expires_at,
reason, by, state (in_force, expired or ignored) and error.`,
		Args: cobra.NoArgs,
		RunE: s.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			all, err := s.nomad.ListOverrides(ctx)
			if err != nil {
				return err
			}
			return s.printOverrides(cmd, all)
		}),
	}
	s.jsonFlag(cmd)
	return cmd
}

func (s *session) printOverrides(cmd *cobra.Command, all []nomad.AppOverride) error {
	now := s.now()
	list := make([]overrideRow, len(all))
	rows := make([][]string, len(all))
	for i, o := range all {
		row := overrideRow{
			App: o.App.String(), Namespace: o.App.Namespace, Job: o.App.Job, Group: o.App.Group,
			overrideStatus: newOverrideStatus(o, now),
		}
		if o.App.Job == "" {
			row.App = o.App.Namespace + " " + o.Path
		}
		list[i] = row
		rows[i] = []string{row.App, "", "", row.describeState(), row.By, row.Reason}
		if o.Override != nil {
			rows[i][1], rows[i][2] = row.Changes(), row.Until(now)
		}
	}
	if s.json {
		return writeJSON(cmd.OutOrStdout(), list)
	}
	if len(all) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "There are no overrides.")
		return nil
	}
	return writeTable(cmd.OutOrStdout(), []string{"APP", "CHANGE", "UNTIL", "STATE", "BY", "REASON"}, rows)
}

func (s *session) overrideClear() *cobra.Command {
	return &cobra.Command{
		Use:   "clear <namespace>/<job>/<group>",
		Short: "End an app's override now",
		Args:  cobra.ExactArgs(1),
		RunE: s.runForApp(func(ctx context.Context, cmd *cobra.Command, app scaler.AppID) error {
			o, err := s.nomad.Override(ctx, app)
			if errors.Is(err, nomad.ErrNotFound) {
				return fmt.Errorf("%s has no override; nomadscale override list lists the overrides", app)
			}
			if err != nil {
				return err
			}
			if err := s.nomad.ClearOverride(ctx, app, o.ModifyIndex); errors.Is(err, nomad.ErrConflict) {
				return fmt.Errorf("%w: look at it with nomadscale override list, and clear it again", err)
			} else if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: the policy applies without an override, from the next decision on.\n", app)
			return nil
		}),
	}
}
