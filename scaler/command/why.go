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
	if errors.Is(err, nomad.ErrNotFound) || errors.Is(err, jobspec.ErrNoGroup) {
		return explanation{}, fmt.Errorf("%w\nnomadscale status lists the apps, and nomad job status -namespace=%s the jobs", err, app.Namespace)
	}
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

// series is the load as the autoscaler sees it.
func (s *session) series(ctx context.Context, b jobspec.Block) ([]scaler.Sample, error) {
	if b.Source != jobspec.Driver {
		return nil, fmt.Errorf("it comes from the autoscaler's source %s, which is not asked here", b.Source)
	}
	gateways, err := s.gatewayClient()
	if err != nil {
		return nil, err
	}
	return gateways.Series(ctx, b.Policy.App, b.Policy.Metric, b.QueryWindow())
}

func (e *explanation) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// withoutPolicy explains an app that nothing scales.
func (e *explanation) withoutPolicy(d nomad.Description) {
	e.Error = d.BlockErr.Error()
	wrong := strings.ReplaceAll(e.Error, "\n", "; ")
	if errors.Is(d.BlockErr, nomad.ErrNotFound) {
		e.Answer = fmt.Sprintf("Nothing scales %s: it has no nomadscale policy (%s).", e.App, wrong)
		e.note("Give it one: nomadscale_app in Terraform, or a scaling block with the strategy %q in the job.", jobspec.Driver)
		return
	}
	e.Answer = fmt.Sprintf("%s stays at %d: its policy cannot be used: %s.", e.App, e.Desired, wrong)
	e.note("Mend the value where the policy is declared. Until then the autoscaler changes nothing, and a gateway goes by the last policy that it could use.")
}

// decided takes over a decision.
func (e *explanation) decided(p scaler.Policy, d nomad.Description, decision scaler.Decision) {
	e.Enabled, e.Metric = p.Enabled, p.Metric
	e.MinInstances, e.MaxInstances, e.BufferInstances = p.MinInstances, p.MaxInstances, p.BufferInstances
	e.NextUp, e.NextDown = nextActions(p, d.Status, decision)
	e.Decision = &decisionStatus{
		Rule: decision.Rule, Direction: decision.Direction, Count: decision.Count, Reason: decision.Reason(),
		Goal: decision.Goal, Target: p.Target, ScaleUpThreshold: p.ScaleUpThreshold, ScaleDownThreshold: p.ScaleDownThreshold,
		UpCooldownSeconds: decision.UpCooldown.Seconds(), DownCooldownSeconds: decision.DownCooldown.Seconds(),
	}
	if decision.Known {
		e.Load, e.Decision.Demand, e.Decision.Utilisation = &decision.Load, &decision.Demand, &decision.Utilisation
	}
	if d.Deployment != nil {
		e.Deployment = d.Deployment.Error()
	}
}

// answer says why, and what to do when that is not what was meant.
func (e *explanation) answer(d nomad.Description, decision scaler.Decision) {
	if e.LoadError != "" {
		e.note("The load is not known here: %s.", e.LoadError)
	}
	switch {
	case d.Status.Stopped:
		e.Answer = fmt.Sprintf("%s is stopped, and a job that is stopped does not scale.", e.App)
		e.note("Start it with: nomad job start -namespace=%s %s", d.App.Namespace, d.App.Job)
	case decision.Rule == scaler.RuleNoData && d.Block.Source != jobspec.Driver:
		e.Answer = fmt.Sprintf("%s is at %d, and only the autoscaler can tell why: the load is not asked here.", e.App, e.Desired)
		e.note("The autoscaler logs every decision with its reason at log_level debug; the last action has one too.")
	case decision.Rule == scaler.RuleNoData:
		e.Answer = fmt.Sprintf("%s stays at %d: %s.", e.App, e.Desired, decision.Reason())
		e.note("If the gateways cannot be reached from here alone, name them with --gateway; if from the autoscaler neither, nothing scales until they are back.")
	case decision.Direction == scaler.None:
		e.Answer = fmt.Sprintf("%s stays at %d: %s.", e.App, e.Desired, decision.Reason())
	case d.Deployment != nil:
		e.Answer = fmt.Sprintf("%s is to go from %d to %d (%s), and waits: %v.", e.App, e.Desired, decision.Count, decision.Reason(), d.Deployment)
		e.note("Look at the deployment with: nomad job deployments -namespace=%s %s", d.App.Namespace, d.App.Job)
	default:
		e.Answer = fmt.Sprintf("%s is about to go from %d to %d: %s.", e.App, e.Desired, decision.Count, decision.Reason())
		e.note("The autoscaler evaluates every %s. If it stays at %d for longer, the autoscaler's log says why.", scaler.FormatDuration(d.Block.EvaluationInterval), e.Desired)
	}
	if decision.Rule == scaler.RuleDisabled && !d.Status.Stopped {
		e.note("Enable it where the policy is declared: enabled in the scaling block, and in autoscaling in Terraform.")
	}
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
