package gateway

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// apps is the registry: what Nomad says of apps and instances arrives here, and each
// app is told its part. It is safe for concurrent use.
type apps struct {
	config *backend.Config
	// mount routes requests to the apps. It is called with the lock held, so that an
	// app that is known can be reached.
	mount      func([]*backend.App)
	connection connection

	// mu guards what follows. An app's own mutex is taken under it, never the other
	// way round.
	mu   sync.Mutex
	byID map[scaler.AppID]*backend.App
	// instances are those of every group of Nomad: a policy may come after them.
	instances map[scaler.AppID]map[string]nomad.Instance
	// reported and listed report that apps and instances have been read once.
	reported, listed bool
	// evaluations are those that are pending, by ID, and placement is what they say
	// of groups.
	evaluations map[string]nomad.Evaluation
	placement   map[scaler.AppID]backend.PlacementFailure
}

var _ nomad.InstanceWatcher = (*apps)(nil)

func newApps(config backend.Config, mount func([]*backend.App)) *apps {
	s := &apps{
		config: &config, mount: mount, connection: connection{log: config.Log},
		byID: make(map[scaler.AppID]*backend.App), instances: make(map[scaler.AppID]map[string]nomad.Instance),
		evaluations: make(map[string]nomad.Evaluation), placement: make(map[scaler.AppID]backend.PlacementFailure),
	}
	config.Unreachable = s.connection.Err
	return s
}

// report takes over the apps that there are.
func (s *apps) report(reported []nomad.App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := maps.Clone(s.byID)
	for _, n := range reported {
		delete(gone, n.ID)
		a := s.byID[n.ID]
		if a == nil {
			a = backend.NewApp(s.config, n)
			s.byID[n.ID] = a
			for _, i := range s.instances[n.ID] {
				s.setLocked(a, i, false)
			}
			a.SetPlacement(s.placement[n.ID])
		}
		a.Configure(n)
	}
	for id, a := range gone {
		delete(s.byID, id)
		a.Remove()
		s.config.Metrics.Forget(id)
	}
	s.mount(slices.Collect(maps.Values(s.byID)))
	s.reported = true
}

// failed notes that the apps could not be read. Those that are known stay.
func (s *apps) failed(err error) {
	s.config.Log.Warn("the apps cannot be read; what is known stays in force", "error", err)
}

// Replace says that these are all instances that there are.
func (s *apps) Replace(all []nomad.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What began while Nomad did not answer may have begun long ago.
	watched := !s.connection.found() && s.listed
	s.instances = make(map[scaler.AppID]map[string]nomad.Instance)
	for _, i := range all {
		if !i.Gone || i.Failed {
			s.keepLocked(i)
		}
	}
	for id, a := range s.byID {
		a.KeepInstances(s.instances[id])
		for _, i := range s.instances[id] {
			s.setLocked(a, i, watched)
		}
	}
	s.listed = true
}

// Update says that one instance is new or has changed.
func (s *apps) Update(i nomad.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group := s.instances[i.App]
	switch {
	case i.ModifyIndex < group[i.ID].ModifyIndex:
		return
	case i.Gone && !i.Failed:
		if delete(group, i.ID); len(group) == 0 {
			delete(s.instances, i.App)
		}
	default:
		s.keepLocked(i)
	}
	if a := s.byID[i.App]; a != nil {
		s.setLocked(a, i, true)
	}
}

func (s *apps) keepLocked(i nomad.Instance) {
	if s.instances[i.App] == nil {
		s.instances[i.App] = make(map[string]nomad.Instance)
	}
	s.instances[i.App][i.ID] = i
}

// setLocked tells an app of an instance.
func (s *apps) setLocked(a *backend.App, i nomad.Instance, isNew bool) {
	a.SetInstance(i, isNew, s.evaluations[i.Next].Until)
}

// ReplaceEvaluations says that these are all evaluations that are pending.
func (s *apps) ReplaceEvaluations(all []nomad.Evaluation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := maps.Clone(s.evaluations)
	for _, e := range all {
		delete(over, e.ID)
		s.evaluateLocked(e)
	}
	for _, e := range over {
		s.evaluateLocked(nomad.Evaluation{ID: e.ID, Namespace: e.Namespace, Job: e.Job})
	}
}

// UpdateEvaluation says that one evaluation is new or has changed.
func (s *apps) UpdateEvaluation(e nomad.Evaluation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evaluateLocked(e)
}

// evaluateLocked keeps an evaluation while it is pending, and tells the apps that
// it says something of.
func (s *apps) evaluateLocked(e nomad.Evaluation) {
	was, known := s.evaluations[e.ID]
	switch {
	case e.Pending():
		s.evaluations[e.ID] = e
	case known:
		delete(s.evaluations, e.ID)
	}
	for group := range was.Unplaced {
		if e.Unplaced[group] == "" {
			s.blockLocked(e, group)
		}
	}
	for group := range e.Unplaced {
		s.blockLocked(e, group)
	}
}

// blockLocked takes over what an evaluation says of a group, unless a later one has
// taken its place.
func (s *apps) blockLocked(e nomad.Evaluation, group string) {
	id := scaler.AppID{Namespace: e.Namespace, Job: e.Job, Group: group}
	known, now := s.placement[id], backend.PlacementFailure{}
	switch why := e.Unplaced[group]; {
	case why != "":
		now = backend.PlacementFailure{Evaluation: e.ID, Why: why, Since: s.config.Now()}
		if known.Evaluation == e.ID {
			now.Since = known.Since
		}
		s.placement[id] = now
	case known.Evaluation != e.ID:
		return
	default:
		delete(s.placement, id)
	}
	if a := s.byID[id]; a != nil {
		a.SetPlacement(now)
	}
}

// Lost says that nothing is known of what happens from now on.
func (s *apps) Lost(err error) { s.connection.lose(err) }

// Unreachable is why Nomad does not answer; nil while it does.
func (s *apps) Unreachable() error { return s.connection.Err() }

// Known reports whether apps and instances have been read.
func (s *apps) Known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed && s.reported
}

// All lists the apps by name.
func (s *apps) All() []*backend.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.byID), func(a, b *backend.App) int { return strings.Compare(a.Name, b.Name) })
}

// Find returns an app, nil when there is none of that name.
func (s *apps) Find(id scaler.AppID) *backend.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// observe tells every app what the other gateways have of it.
func (s *apps) observe(m *cluster.Membership) {
	for _, a := range s.All() {
		a.Observe(m)
	}
}

// countArrivals takes the requests since the last call into the rates of arrivals.
func (s *apps) countArrivals(since time.Duration) {
	for _, a := range s.All() {
		a.CountArrivals(since)
	}
}

// connection is whether Nomad answers.
type connection struct {
	log  *slog.Logger
	lost atomic.Pointer[error]
}

// lose notes that Nomad does not answer.
func (c *connection) lose(err error) {
	if c.lost.Swap(&err) == nil {
		c.log.Warn("Nomad does not answer; what is known stays in force, and nothing is scaled", "error", err)
	}
}

// found notes that Nomad answers, and reports whether it did not before.
func (c *connection) found() (lost bool) {
	if lost = c.lost.Swap(nil) != nil; lost {
		c.log.Info("Nomad answers again")
	}
	return lost
}

// Err is why Nomad does not answer; nil while it does.
func (c *connection) Err() error {
	if err := c.lost.Load(); err != nil {
		return *err
	}
	return nil
}
