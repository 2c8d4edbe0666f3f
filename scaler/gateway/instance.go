package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// instance is an allocation as the gateway sees it.
type instance struct {
	nomad.Instance
	slot  *selection.Instance
	state api.State
	since time.Time
	// placed is when the gateway saw it begin; zero for one that was there
	// before.
	placed time.Time
	// err is what the last probe met, or why there can be none.
	err error
	// failures are the requests in a row that it has not answered.
	failures int
	// delayEnded tells that its shutdown_delay has been ended early.
	delayEnded bool
	// stopProbe ends the probe that is under way, if any.
	stopProbe context.CancelFunc
}

func (i *instance) ref() api.InstanceRef {
	return api.InstanceRef{ID: i.ID, Index: i.Index, Address: i.slot.Address}
}

// set takes over what Nomad says of an instance. It is new if it has begun after
// the gateway looked for the first time. If it has failed, Nomad replaces it at
// retry; zero if that is not known.
func (a *app) set(n nomad.Instance, isNew bool, retry time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.checkStart(a.gateway.now()) }()
	delete(a.failed, n.ID)
	if n.Gone && n.Failed {
		a.failed[n.ID] = failedInstance{n, retry}
	}
	i := a.instances[n.ID]
	switch {
	case i != nil && n.ModifyIndex < i.ModifyIndex:
	case n.Gone && i != nil:
		a.drop(i)
	case n.Gone:
	case i == nil:
		a.add(n, isNew)
	default:
		i.Instance = n
		if n.Stopping {
			a.drain(i)
		}
	}
}

// keep drops the instances that Nomad does not list any more.
func (a *app) keep(listed map[string]nomad.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, i := range a.instances {
		if _, ok := listed[id]; !ok {
			a.drop(i)
		}
	}
	maps.DeleteFunc(a.failed, func(id string, _ failedInstance) bool {
		_, ok := listed[id]
		return !ok
	})
}

// add puts a new instance into the pool, to be probed.
func (a *app) add(n nomad.Instance, isNew bool) {
	now := a.gateway.now()
	i := &instance{Instance: n, since: now}
	address := ""
	p := a.policy.Load()
	if p != nil {
		address = n.Address(p.Port)
	}
	i.slot = a.pool.Add(n.ID, n.Index, address)
	a.slots.add(i.slot, a.gateway.peers.alone())
	a.instances[n.ID] = i
	if n.Stopping {
		i.state = api.Draining
		a.pool.SetDraining(n.ID, true)
		return
	}
	a.live++
	if isNew {
		i.placed = now
		a.cold.place(now)
	}
	i.state = api.Starting
	if p != nil {
		a.begin(i)
	}
}

// begin probes an instance from the beginning.
func (a *app) begin(i *instance) { a.await(i, api.Starting, 0) }

// await keeps requests from an instance until it is ready, which it is asked
// after a pause.
func (a *app) await(i *instance, in api.State, pause time.Duration) {
	if i.state == api.Draining {
		return
	}
	i.endProbe()
	a.become(i, in)
	a.pool.SetReady(i.ID, false)
	p := a.policy.Load()
	if i.slot.Address == "" {
		label := p.Port
		if label == "" {
			i.err = errors.New("the group has no port")
		} else {
			i.err = fmt.Errorf("the group has no port labelled %q", label)
		}
		a.log.Error("an instance cannot be reached", "instance", i.ID, "error", i.err)
		return
	}
	g := a.gateway
	ctx, cancel := context.WithCancel(g.ctx)
	i.stopProbe = cancel
	address, path := i.slot.Address, p.ReadyPath
	g.work.Go(func() {
		defer cancel()
		err := g.prober.probe(ctx, pause, address, path, func(err error) { a.tried(ctx, i, err) })
		if err == nil {
			a.ready(ctx, i)
		}
	})
}

func (i *instance) endProbe() {
	if i.stopProbe != nil {
		i.stopProbe()
		i.stopProbe = nil
	}
}

// tried notes a probe in vain. It is also the clock of what waits for instances
// that start.
func (a *app) tried(ctx context.Context, i *instance, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil {
		i.err = err
		a.grant()
	}
}

// ready lets an instance have requests.
func (a *app) ready(ctx context.Context, i *instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	now := a.gateway.now()
	i.err, i.stopProbe = nil, nil
	a.become(i, api.Ready)
	a.pool.SetReady(i.ID, true)
	a.cold.readied(now)
	if !i.placed.IsZero() {
		took := now.Sub(i.placed)
		i.placed = time.Time{}
		if a.start == 0 {
			a.start = took
		}
		a.start = (2*a.start + took) / 3
		a.log.Info("an instance is ready", "instance", i.ID, "index", i.Index, "took", took)
	}
	a.grant()
}

// drain keeps new requests from an instance that Nomad is stopping. Those under
// way end undisturbed.
func (a *app) drain(i *instance) {
	if i.state == api.Draining {
		return
	}
	i.endProbe()
	a.become(i, api.Draining)
	a.live--
	a.pool.SetDraining(i.ID, true)
	a.log.Info("an instance is draining", "instance", i.ID, "index", i.Index, "in_flight", i.slot.InFlight())
	a.shrunk()
	a.drained(i.slot)
}

// drained ends the delay of a stopping instance when its last request is over,
// at every gateway.
func (a *app) drained(slot *selection.Instance) {
	g := a.gateway
	i := a.instances[slot.ID]
	if !slot.Draining() || slot.InFlight() > 0 || !g.config.EndDelays || i == nil || i.delayEnded ||
		!g.peers.known().drained(a.id, slot.ID) {
		return
	}
	i.delayEnded = true
	g.work.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, callTimeout)
		defer cancel()
		if err := g.config.Nomad.EndDelay(ctx, slot.ID); err != nil {
			a.log.Warn("the delay of a stopping instance could not be ended early", "instance", slot.ID, "error", err)
		}
	})
}

// drop takes out an instance that has ended.
func (a *app) drop(i *instance) {
	i.endProbe()
	delete(a.instances, i.ID)
	a.pool.Remove(i.ID)
	a.slots.remove(i.ID)
	if i.state != api.Draining {
		a.live--
		a.shrunk()
	}
}

// shrunk notes that there are fewer instances than there were.
func (a *app) shrunk() {
	a.desired = 0
	a.poke()
	if a.queue.length > 0 {
		a.want(a.gateway.now())
	}
}

func (a *app) become(i *instance, s api.State) {
	i.state, i.since = s, a.gateway.now()
}
