package backend

import (
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// keptDecisions is how many decisions are kept of each app.
const keptDecisions = 32

// decisions are the last ones of an app, oldest first. Holds by the same rule
// count as one.
type decisions []recordedDecision

// recordedDecision is a decision, when it was made first and last, and how often.
type recordedDecision struct {
	scaler.Decision
	first, last time.Time
	times       int
}

func (ds *decisions) add(d scaler.Decision, now time.Time) {
	if newest := ds.newest(); newest != nil && newest.Direction == scaler.None && d.Direction == scaler.None &&
		newest.Rule == d.Rule && newest.Desired == d.Desired {
		newest.Decision, newest.last = d, now
		newest.times++
		return
	}
	if len(*ds) == keptDecisions {
		*ds = slices.Delete(*ds, 0, 1)
	}
	*ds = append(*ds, recordedDecision{Decision: d, first: now, last: now, times: 1})
}

func (ds decisions) newest() *recordedDecision {
	if len(ds) == 0 {
		return nil
	}
	return &ds[len(ds)-1]
}

func (d *recordedDecision) status() api.DecisionStatus {
	return api.DecisionStatus{
		Time: d.first, Times: d.times, Last: d.last,
		Direction: d.Direction, Rule: d.Rule, From: d.Desired, To: d.Count, Reason: d.Reason(),
		Load: d.Load, Demand: d.Demand, Utilisation: d.Utilisation,
		Goal: d.Goal, MinInstances: d.MinInstances, MaxInstances: d.MaxInstances,
		WaitSeconds: d.Wait.Seconds(),
	}
}

// statuses lists the decisions, newest first.
func (ds decisions) statuses() []api.DecisionStatus {
	all := make([]api.DecisionStatus, 0, len(ds))
	for _, d := range slices.Backward(ds) {
		all = append(all, d.status())
	}
	return all
}
