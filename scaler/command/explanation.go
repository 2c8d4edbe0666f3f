package command

import (
	"errors"
	"fmt"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// explanation is why an app has its count.
type explanation struct {
	appStatus
	// Answer is the explanation in one sentence. Notes add what else is known and what
	// the user can do.
	Answer string   `json:"answer"`
	Notes  []string `json:"notes"`
	// LoadError is why the load is not known.
	LoadError string `json:"load_error,omitempty"`
	// Deployment is why a deployment blocks a change of the count.
	Deployment string `json:"deployment,omitempty"`
	// Decision is the decision now; null when there is none.
	Decision *decisionStatus `json:"decision"`
}

// decisionStatus is a decision with its inputs.
type decisionStatus struct {
	Rule      scaler.Rule      `json:"rule"`
	Direction scaler.Direction `json:"direction"`
	Count     int              `json:"count"`
	Reason    string           `json:"reason"`
	// Demand and Utilisation are null when the load is not known.
	Demand      *float64 `json:"demand"`
	Utilisation *float64 `json:"utilisation"`
	// Goal is the count that the load needs.
	Goal               int     `json:"goal"`
	Target             float64 `json:"target"`
	ScaleUpThreshold   float64 `json:"scale_up_threshold"`
	ScaleDownThreshold float64 `json:"scale_down_threshold"`
	// The cooldowns are the remaining times.
	UpCooldownSeconds   float64 `json:"up_cooldown_seconds"`
	DownCooldownSeconds float64 `json:"down_cooldown_seconds"`
}

func (e *explanation) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// explainBlockError explains an app without a valid policy.
func (e *explanation) explainBlockError(d nomad.Description) {
	e.Error = d.BlockErr.Error()
	if errors.Is(d.BlockErr, nomad.ErrNotFound) {
		e.Answer = fmt.Sprintf("Nothing scales %s: it has no nomadscale policy (%s).", e.App, oneLine(e.Error))
		e.note("Give it one: nomadscale_app in Terraform, or a scaling block with the strategy %q in the job.", jobspec.Driver)
		return
	}
	e.Answer = fmt.Sprintf("%s stays at %d: its policy cannot be used: %s.", e.App, e.Desired, oneLine(e.Error))
	e.note("Correct the value where the policy is declared. " +
		"Until then, the autoscaler changes nothing and a gateway uses the last valid policy.")
}

// setDecision adds the decision and what follows from it.
func (e *explanation) setDecision(p scaler.Policy, d nomad.Description, decision scaler.Decision) {
	e.setPolicy(p, d.Status, decision)
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

// explainDecision says why the count is as it is, and what to do if the user expected
// something else.
func (e *explanation) explainDecision(d nomad.Description, decision scaler.Decision) {
	if e.LoadError != "" {
		e.note("The load is not known here: %s.", e.LoadError)
	}
	switch {
	case d.Status.Stopped:
		e.Answer = fmt.Sprintf("%s is stopped, and a stopped job does not scale.", e.App)
		e.note("Start it with: nomad job start -namespace=%s %s", d.App.Namespace, d.App.Job)
	case decision.Rule == scaler.RuleNoData && d.Block.Source != jobspec.Driver:
		e.Answer = fmt.Sprintf("%s is at %d. Only the autoscaler knows why, because this command cannot read the load.", e.App, e.Desired)
		e.note("With log_level debug, the autoscaler logs every decision with its reason. The last action has a reason too.")
	case decision.Rule == scaler.RuleNoData:
		e.Answer = fmt.Sprintf("%s stays at %d: %s.", e.App, e.Desired, decision.Reason())
		e.note("If only this machine cannot reach the gateways, name them with --gateway. If the autoscaler cannot reach them either, " +
			"nothing scales until it can.")
	case decision.Direction == scaler.None:
		e.Answer = fmt.Sprintf("%s stays at %d: %s.", e.App, e.Desired, decision.Reason())
	case d.Deployment != nil:
		e.Answer = fmt.Sprintf("%s should go from %d to %d (%s), and waits: %v.",
			e.App, e.Desired, decision.Count, decision.Reason(), d.Deployment)
		e.note("Look at the deployment with: nomad job deployments -namespace=%s %s", d.App.Namespace, d.App.Job)
	default:
		e.Answer = fmt.Sprintf("%s is about to go from %d to %d: %s.", e.App, e.Desired, decision.Count, decision.Reason())
		e.note("The autoscaler evaluates every %s. If the count stays at %d for longer, the autoscaler's log says why.",
			scaler.FormatDuration(d.Block.EvaluationInterval), e.Desired)
	}
	if decision.Rule == scaler.RuleDisabled && !d.Status.Stopped {
		e.note("Enable scaling where the policy is declared: enabled in the scaling block, or in autoscaling in Terraform.")
	}
}
