// Package instances is the instances of one app: their states, the probes that find
// out whether they are ready, and outlier ejection.
package instances

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// Instance is an allocation as the gateway sees it.
type Instance struct {
	nomad.Instance
	State api.State
	// Since is when it came into that state.
	Since time.Time
	// Err is what the last probe met, or why there can be none.
	Err error

	// pooled is the instance in the pool that requests are assigned from.
	pooled *selection.Instance
	// placed is when the gateway saw it begin; zero for one that was there before.
	placed  time.Time
	outlier outlier
	// stopProbe ends the probe that is under way, if any.
	stopProbe context.CancelFunc
}

// InFlight is how many requests it has.
func (i *Instance) InFlight() int { return i.pooled.InFlight() }

// Ref names the instance.
func (i *Instance) Ref() api.InstanceRef {
	return api.InstanceRef{ID: i.ID, Index: i.Index, Address: i.pooled.Address}
}

// Pooled is the instance in the pool.
func (i *Instance) Pooled() *selection.Instance { return i.pooled }

func (i *Instance) become(s api.State, now time.Time) { i.State, i.Since = s, now }

func (i *Instance) endProbe() {
	if i.stopProbe != nil {
		i.stopProbe()
		i.stopProbe = nil
	}
}

// Failed is an instance that ended in failure and has not been replaced.
type Failed struct {
	nomad.Instance
	// Retry is when Nomad replaces it, if that is known.
	Retry time.Time
}

// Observer is told what happens to instances. Its methods are called with the lock
// held.
type Observer interface {
	// Added says that an instance is in the pool. It is new if it has begun after
	// the gateway looked for the first time.
	Added(i *Instance, isNew bool)
	// Probed says that a probe has ended, whatever it met.
	Probed()
	// Ready says that an instance may have requests. Took is how long it took to
	// start; 0 when that is not known.
	Ready(took time.Duration)
	// Draining says that Nomad is stopping an instance.
	Draining(id string)
	// Removed says that an instance has ended.
	Removed(id string)
	// Shrunk says that there are fewer instances than there were.
	Shrunk()
	// Ejected says that an instance has been taken out of rotation.
	Ejected()
}

// Config is what a set of instances works with.
type Config struct {
	// Lock guards the set: the caller holds it around every call.
	Lock     sync.Locker
	Observer Observer
	Prober   Prober
	// Context ends the probes, and Go runs them.
	Context context.Context
	Go      func(func())
	Now     func() time.Time
	Log     *slog.Logger
}

// Set is the instances of an app. It is for one goroutine at a time.
type Set struct {
	// Pool is what requests are assigned from.
	Pool *selection.Pool

	config Config
	all    map[string]*Instance
	// live counts those that are not draining.
	live   int
	failed map[string]Failed
	// port and readyPath are the policy's; instances are probed once it is known.
	port, readyPath string
	configured      bool
}

// NewSet returns a set without instances.
func NewSet(pool *selection.Pool, config Config) *Set {
	return &Set{Pool: pool, config: config, all: make(map[string]*Instance), failed: make(map[string]Failed)}
}

// Live is how many instances are not draining.
func (s *Set) Live() int { return s.live }

// Get returns an instance, nil when there is none of that ID.
func (s *Set) Get(id string) *Instance { return s.all[id] }

// All lists the instances, in no order.
func (s *Set) All() iter.Seq[*Instance] { return maps.Values(s.all) }

// Failed lists the instances that ended in failure and have not been replaced.
func (s *Set) Failed() iter.Seq[Failed] { return maps.Values(s.failed) }

// Update takes over what Nomad says of an instance. It is new if it has begun after
// the gateway looked for the first time. If it has failed, Nomad replaces it at
// retry; zero if that is not known.
func (s *Set) Update(n nomad.Instance, isNew bool, retry time.Time) {
	delete(s.failed, n.ID)
	if n.Gone && n.Failed {
		s.failed[n.ID] = Failed{n, retry}
	}
	i := s.all[n.ID]
	switch {
	case i != nil && n.ModifyIndex < i.ModifyIndex:
	case n.Gone && i != nil:
		s.drop(i)
	case n.Gone:
	case i == nil:
		s.add(n, isNew)
	default:
		i.Instance = n
		if n.Stopping {
			s.drain(i)
		}
	}
}

// Keep drops the instances that Nomad does not list any more.
func (s *Set) Keep(listed map[string]nomad.Instance) {
	for id, i := range s.all {
		if _, ok := listed[id]; !ok {
			s.drop(i)
		}
	}
	maps.DeleteFunc(s.failed, func(id string, _ Failed) bool {
		_, ok := listed[id]
		return !ok
	})
}

// add puts a new instance into the pool, to be probed.
func (s *Set) add(n nomad.Instance, isNew bool) {
	now := s.config.Now()
	i := &Instance{Instance: n, State: api.Starting, Since: now}
	address := ""
	if s.configured {
		address = n.Address(s.port)
	}
	i.pooled = s.Pool.Add(n.ID, n.Index, address)
	s.all[n.ID] = i
	if n.Stopping {
		i.State = api.Draining
		s.Pool.SetDraining(n.ID, true)
		s.config.Observer.Added(i, false)
		return
	}
	s.live++
	if isNew {
		i.placed = now
	}
	s.config.Observer.Added(i, isNew)
	if s.configured {
		s.probe(i, api.Starting, 0)
	}
}

// Configure takes over the port and the path of a policy. Instances that get another
// address by it are probed from the beginning.
func (s *Set) Configure(port, readyPath string) {
	first := !s.configured
	s.port, s.readyPath, s.configured = port, readyPath, true
	for _, i := range s.all {
		if address := i.Address(port); first || address != i.pooled.Address {
			i.pooled.Address = address
			s.probe(i, api.Starting, 0)
		}
	}
}

// probe keeps requests from an instance until it is ready. The first probe comes
// after a pause.
func (s *Set) probe(i *Instance, in api.State, after time.Duration) {
	if i.State == api.Draining {
		return
	}
	i.endProbe()
	i.become(in, s.config.Now())
	s.Pool.SetReady(i.ID, false)
	if i.pooled.Address == "" {
		i.Err = errors.New("the group has no port")
		if s.port != "" {
			i.Err = fmt.Errorf("the group has no port labelled %q", s.port)
		}
		s.config.Log.Error("an instance cannot be reached", "instance", i.ID, "error", i.Err)
		return
	}
	ctx, cancel := context.WithCancel(s.config.Context)
	i.stopProbe = cancel
	address, path := i.pooled.Address, s.readyPath
	s.config.Go(func() {
		defer cancel()
		awaitReady(ctx, s.config.Prober, after, address, path, func(err error) bool { return s.probed(ctx, i, err) })
	})
}

// probed takes over the result of a probe, and reports whether it was the last.
func (s *Set) probed(ctx context.Context, i *Instance, err error) (done bool) {
	s.config.Lock.Lock()
	defer s.config.Lock.Unlock()
	if ctx.Err() != nil {
		return true
	}
	if i.Err = err; err == nil {
		s.ready(i)
	}
	s.config.Observer.Probed()
	return err == nil
}

// ready lets an instance have requests.
func (s *Set) ready(i *Instance) {
	now, took := s.config.Now(), time.Duration(0)
	i.stopProbe = nil
	i.become(api.Ready, now)
	s.Pool.SetReady(i.ID, true)
	if !i.placed.IsZero() {
		took = now.Sub(i.placed)
		i.placed = time.Time{}
		s.config.Log.Info("an instance is ready", "instance", i.ID, "index", i.Index, "took", took)
	}
	s.config.Observer.Ready(took)
}

// drain keeps new requests from an instance that Nomad is stopping. Those under way
// are not disturbed.
func (s *Set) drain(i *Instance) {
	if i.State == api.Draining {
		return
	}
	i.endProbe()
	i.become(api.Draining, s.config.Now())
	s.live--
	s.Pool.SetDraining(i.ID, true)
	s.config.Log.Info("an instance is draining", "instance", i.ID, "index", i.Index, "in_flight", i.InFlight())
	s.config.Observer.Shrunk()
	s.config.Observer.Draining(i.ID)
}

// drop takes out an instance that has ended.
func (s *Set) drop(i *Instance) {
	i.endProbe()
	delete(s.all, i.ID)
	s.Pool.Remove(i.ID)
	s.config.Observer.Removed(i.ID)
	if i.State != api.Draining {
		s.live--
		s.config.Observer.Shrunk()
	}
}

// Record judges an instance by the result of an attempt that was sent to an address.
func (s *Set) Record(id, address string, r api.AttemptResult) {
	i := s.all[id]
	if i == nil || i.pooled.Address != address {
		return
	}
	if r.Phase != api.PhaseAnswered && (i.State != api.Ready || r.Sent.Before(i.Since)) {
		// That has been judged already.
		return
	}
	if !i.outlier.record(r, func() bool { return s.anotherReady(i) }) {
		return
	}
	out := i.outlier.backoff()
	s.config.Log.Warn("an instance is ejected", "instance", i.ID, "index", i.Index, "failures", i.outlier.failures, "for", out, "error", r.Err)
	s.config.Observer.Ejected()
	s.probe(i, api.Ejected, out)
	i.Err = r.Err
}

func (s *Set) anotherReady(than *Instance) bool {
	for _, i := range s.all {
		if i != than && i.State == api.Ready {
			return true
		}
	}
	return false
}

// Close ends the probes.
func (s *Set) Close() {
	for _, i := range s.all {
		i.endProbe()
	}
}

// Statuses lists the instances by index, and counts those that are ready and the
// requests at all of them.
func (s *Set) Statuses() (all []api.InstanceStatus, ready, inFlight int) {
	all = make([]api.InstanceStatus, 0, len(s.all))
	for _, i := range s.all {
		inFlight += i.InFlight()
		if i.State == api.Ready {
			ready++
		}
		status := api.InstanceStatus{InstanceRef: i.Ref(), State: i.State, Since: i.Since, InFlight: i.InFlight()}
		if i.Err != nil {
			status.Error = i.Err.Error()
		}
		all = append(all, status)
	}
	slices.SortFunc(all, func(x, y api.InstanceStatus) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.ID, y.ID))
	})
	return all, ready, inFlight
}
