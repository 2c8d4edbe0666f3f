package gateway

import (
	"net/http"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// keptDecisions are kept of each app.
const keptDecisions = 32

// decisions are the last ones of an app, oldest first. Holds by the same rule
// count as one.
type decisions []decided

// decided is a decision, when it was made first and last, and how often.
type decided struct {
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
	*ds = append(*ds, decided{Decision: d, first: now, last: now, times: 1})
}

func (ds decisions) newest() *decided {
	if len(ds) == 0 {
		return nil
	}
	return &ds[len(ds)-1]
}

func (d *decided) status() api.DecisionStatus {
	return api.DecisionStatus{
		Time: d.first, Times: d.times, Last: d.last,
		Direction: d.Direction, Rule: d.Rule, From: d.Desired, To: d.Count, Reason: d.Reason(),
		Load: d.Load, Demand: d.Demand, Utilisation: d.Utilisation,
		Goal: d.Goal, MinInstances: d.MinInstances, MaxInstances: d.MaxInstances,
		WaitSeconds: d.Wait.Seconds(),
	}
}

// serveDecisions answers with the last decisions of each app, newest first, or
// with ?app= of that one.
func (g *Gateway) serveDecisions(w http.ResponseWriter, r *http.Request) {
	all := make(map[string][]api.DecisionStatus)
	name := r.URL.Query().Get("app")
	for _, a := range g.apps.all() {
		if name == "" || name == a.name {
			all[a.name] = a.history()
		}
	}
	if name != "" && len(all) == 0 {
		noApp(w, name)
		return
	}
	writeJSON(w, all)
}

func (a *app) history() []api.DecisionStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]api.DecisionStatus, 0, len(a.decisions))
	for _, d := range slices.Backward(a.decisions) {
		all = append(all, d.status())
	}
	return all
}
