package gateway

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// apps is the registry: all that Nomad says of apps and instances arrives here,
// and each app is told its part.
type apps struct {
	gateway *Gateway
	table   atomic.Pointer[table]

	// mu guards what follows; an app's own mutex is taken under it, never the
	// other way round.
	mu     sync.Mutex
	byName map[string]*app
	// instances of every group of Nomad, by app: a policy may come after them.
	instances map[string]map[string]nomad.Instance
	// listed tells that the instances have been listed once.
	listed bool
	// evaluations are those that are pending, by ID, and unplaced what they say
	// of groups, by app.
	evaluations map[string]nomad.Evaluation
	unplaced    map[string]unplaced

	// lost is why nothing is known of Nomad at present; nil while it answers.
	lost atomic.Pointer[error]
}

var _ nomad.InstanceWatcher = (*apps)(nil)

func newApps(g *Gateway) *apps {
	return &apps{
		gateway: g, byName: make(map[string]*app), instances: make(map[string]map[string]nomad.Instance),
		evaluations: make(map[string]nomad.Evaluation), unplaced: make(map[string]unplaced),
	}
}

// report takes over the apps that there are.
func (s *apps) report(reported []nomad.App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := maps.Clone(s.byName)
	for _, n := range reported {
		name := n.ID.String()
		delete(gone, name)
		a := s.byName[name]
		if a == nil {
			a = newApp(s.gateway, n)
			s.byName[name] = a
			for _, i := range s.instances[name] {
				s.set(a, i, false)
			}
			a.unplaced = s.unplaced[name]
		}
		a.configure(n)
	}
	for name, a := range gone {
		delete(s.byName, name)
		a.remove()
		s.gateway.metrics.forget(name)
	}
	s.remount()
}

// remount builds the table of routes anew.
func (s *apps) remount() {
	all := slices.Collect(maps.Values(s.byName))
	t, refused := buildTable(all)
	s.table.Store(t)
	for _, a := range all {
		a.mu.Lock()
		if !slices.Equal(a.refused, refused[a]) {
			a.refused = refused[a]
			if len(a.refused) > 0 {
				a.log.Warn("another app is mounted where this one asks to be", "refused", a.refused)
			}
		}
		a.mu.Unlock()
	}
}

// failed notes that the apps could not be read. Those that are known stay.
func (s *apps) failed(err error) {
	s.gateway.log.Warn("the apps cannot be read; what is known stays in force", "error", err)
}

// Replace says that these are all instances there are.
func (s *apps) Replace(all []nomad.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What began while Nomad did not answer may have begun long ago.
	watched := !s.found() && s.listed
	instances := make(map[string]map[string]nomad.Instance)
	for _, i := range all {
		if i.Gone && !i.Failed {
			continue
		}
		if instances[i.App.String()] == nil {
			instances[i.App.String()] = make(map[string]nomad.Instance)
		}
		instances[i.App.String()][i.ID] = i
	}
	s.instances = instances
	for name, a := range s.byName {
		a.keep(instances[name])
		for _, i := range instances[name] {
			s.set(a, i, watched)
		}
	}
	s.listed = true
}

// Update says that one instance is new or has changed.
func (s *apps) Update(i nomad.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := i.App.String()
	group := s.instances[name]
	switch {
	case i.ModifyIndex < group[i.ID].ModifyIndex:
		return
	case i.Gone && !i.Failed:
		if delete(group, i.ID); len(group) == 0 {
			delete(s.instances, name)
		}
	default:
		if group == nil {
			group = make(map[string]nomad.Instance)
			s.instances[name] = group
		}
		group[i.ID] = i
	}
	if a := s.byName[name]; a != nil {
		s.set(a, i, true)
	}
}

// set tells an app of an instance. The caller holds the mutex.
func (s *apps) set(a *app, i nomad.Instance, isNew bool) {
	a.set(i, isNew, s.evaluations[i.Next].Until)
}

// ReplaceEvaluations says that these are all evaluations that are pending.
func (s *apps) ReplaceEvaluations(all []nomad.Evaluation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := maps.Clone(s.evaluations)
	for _, e := range all {
		delete(over, e.ID)
		s.evaluate(e)
	}
	for _, e := range over {
		s.evaluate(nomad.Evaluation{ID: e.ID, Namespace: e.Namespace, Job: e.Job})
	}
}

// UpdateEvaluation says that one evaluation is new or has changed.
func (s *apps) UpdateEvaluation(e nomad.Evaluation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evaluate(e)
}

// evaluate keeps an evaluation while it is pending, and tells the apps that it
// says something of. The caller holds the mutex.
func (s *apps) evaluate(e nomad.Evaluation) {
	was, known := s.evaluations[e.ID]
	switch {
	case e.Pending():
		s.evaluations[e.ID] = e
	case known:
		delete(s.evaluations, e.ID)
	}
	for group := range was.Unplaced {
		if e.Unplaced[group] == "" {
			s.block(e, group)
		}
	}
	for group := range e.Unplaced {
		s.block(e, group)
	}
}

// block takes over what an evaluation says of a group, if no later one has taken
// its place. The caller holds the mutex.
func (s *apps) block(e nomad.Evaluation, group string) {
	name := scaler.AppID{Namespace: e.Namespace, Job: e.Job, Group: group}.String()
	known, now := s.unplaced[name], unplaced{}
	switch why := e.Unplaced[group]; {
	case why != "":
		now = unplaced{evaluation: e.ID, why: why, since: s.gateway.now()}
		if known.evaluation == e.ID {
			now.since = known.since
		}
		s.unplaced[name] = now
	case known.evaluation != e.ID:
		return
	default:
		delete(s.unplaced, name)
	}
	if a := s.byName[name]; a != nil {
		a.block(now)
	}
}

// Lost says that nothing is known of what happens from now on.
func (s *apps) Lost(err error) {
	if s.lost.Swap(&err) == nil {
		s.gateway.log.Warn("Nomad does not answer; what is known stays in force, and nothing is scaled", "error", err)
	}
}

// found notes that Nomad answers, and tells whether it did not before.
func (s *apps) found() (lost bool) {
	if lost = s.lost.Swap(nil) != nil; lost {
		s.gateway.log.Info("Nomad answers again")
	}
	return lost
}

// unreachable is why Nomad does not answer; nil while it does.
func (s *apps) unreachable() error {
	if err := s.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// known tells whether apps and instances have been read.
func (s *apps) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed && s.table.Load() != nil
}

// all lists the apps by name.
func (s *apps) all() []*app {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.byName), func(a, b *app) int { return cmp.Compare(a.name, b.name) })
}

// find returns the app of that name, nil when there is none.
func (s *apps) find(name string) *app {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}

// statuses is what /v1/apps answers.
func (s *apps) statuses() []api.AppStatus {
	now := s.gateway.now()
	t := s.table.Load()
	all := s.all()
	statuses := make([]api.AppStatus, len(all))
	for i, a := range all {
		statuses[i] = a.status(now, t)
	}
	return statuses
}
