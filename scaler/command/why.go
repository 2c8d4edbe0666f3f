package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func whyCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why <namespace>/<job>/<group>",
		Short: "Explain why an app has, or has not, scaled",
		Long: `Explain why an app has, or has not, scaled. The command reads the policy, the
counts, the history, the override and the load, and decides as the autoscaler and the
gateway do. It changes nothing.

` + gatewayHelp + `

With --json, the object has the keys of nomadscale status --json. It also has answer,
notes, load_error and deployment (why a deployment blocks a change of the count).
decision has rule, direction, count, reason, demand, utilisation, goal, target,
scale_up_threshold and scale_down_threshold. up_cooldown_seconds and
down_cooldown_seconds are the remaining times of the cooldowns. demand and utilisation
are null if the load is not known, and decision is null if there is no decision.

` + nomadHelp,
		Args: cobra.ExactArgs(1),
		RunE: s.runForApp(func(ctx context.Context, cmd *cobra.Command, app scaler.AppID) error {
			e, err := s.explain(ctx, app)
			if err != nil {
				return err
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), e)
			}
			return s.printExplanation(cmd.OutOrStdout(), e)
		}),
	}
	s.jsonFlag(cmd)
	s.gatewayFlags(cmd)
	return cmd
}

func (s *session) explain(ctx context.Context, app scaler.AppID) (explanation, error) {
	d, err := s.nomad.Describe(ctx, app)
	if err != nil {
		return explanation{}, err
	}
	now, p := s.now(), d.Block.Policy
	e := explanation{Notes: []string{}, appStatus: newAppStatus(app, d.Status, d.Override, now)}
	for _, why := range d.Failures {
		e.note("Instances do not start: %s.", why)
	}
	if d.OverrideErr != nil {
		e.note("It is not known whether there is an override: %v.", d.OverrideErr)
	}
	if d.Override != nil {
		if e.Override.State == stateIgnored {
			e.note("The override is ignored: %s.", oneLine(e.Override.Error))
		}
		p, _ = d.Override.Apply(p, now) // the note has the error
	}
	if d.BlockErr == nil {
		s.decide(ctx, &e, p, d)
	} else {
		e.explainBlockError(d)
	}
	return e, nil
}

// decide makes the decision that the autoscaler would make now, and explains it.
func (s *session) decide(ctx context.Context, e *explanation, p scaler.Policy, d nomad.Description) {
	series, err := s.series(ctx, d.Block)
	if err != nil {
		e.LoadError = err.Error()
	}
	history := d.Status.History
	decision := scaler.Decide(p, scaler.Observation{
		Now: s.now(), Desired: d.Status.Desired, Series: series, LastUp: history.LastUp, LastChange: history.LastChange,
	})
	e.setDecision(p, d, decision)
	e.explainDecision(d, decision)
}

// series reads the load that the autoscaler would read.
func (s *session) series(ctx context.Context, b jobspec.Block) ([]scaler.Sample, error) {
	if b.Source != jobspec.Driver {
		return nil, fmt.Errorf("this command cannot query the autoscaler's source %s", b.Source)
	}
	gateways, err := s.gatewayClient()
	if err != nil {
		return nil, err
	}
	return gateways.Series(ctx, b.Policy.App, b.Policy.Metric, b.QueryWindow())
}

func (s *session) printExplanation(out io.Writer, e explanation) error {
	now := s.now()
	fmt.Fprintf(out, "%s\n\n", e.Answer)
	rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(rows, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("count", "%d desired, %d running", e.Desired, e.Running)
	if d := e.Decision; d != nil {
		if e.Load != nil {
			row("load", "%s, with %s for each instance", formatLoad(e.Metric, e.Load), formatLoad(e.Metric, &d.Target))
			row("demand", "%s instances at 100 %%", formatNumber(*d.Demand))
			row("utilisation", "%s %%; up above %s %%, down below %s %%",
				formatNumber(*d.Utilisation*100), formatNumber(d.ScaleUpThreshold*100), formatNumber(d.ScaleDownThreshold*100))
			row("called for", "%d", d.Goal)
		} else {
			row("load", "not known")
		}
		row("bounds", "%d to %d, buffer %d", e.MinInstances, e.MaxInstances, e.BufferInstances)
		row("next up", "%s", e.NextUp.describe())
		row("next down", "%s", e.NextDown.describe())
	}
	row("override", "%s", e.Override.describe(now))
	row("last action", "%s", e.LastAction.describe(now))
	if err := rows.Flush(); err != nil {
		return err
	}
	if len(e.Notes) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(e.Notes, "\n"))
	}
	return nil
}
