package selection

import "slices"

// Pool is the instances of one app and the requests that each has in flight.
// It is not safe for concurrent use.
type Pool struct {
	mode  Mode
	limit int
	fence int

	instances []*Instance // by allocation index
	ready     []*Instance // the instances that take requests, by allocation index
	// fenced are the ready instances behind the fence, and open all other ready
	// instances.
	open, fenced Set
}

// NewPool returns a pool without instances. The limit is the most requests in
// flight on one instance; 0 means no limit.
func NewPool(mode Mode, limit int) *Pool {
	return &Pool{mode: mode, limit: limit}
}

// SetMode changes the way instances are selected.
func (p *Pool) SetMode(mode Mode) { p.mode = mode }

// SetLimit changes the most requests in flight on one instance; 0 means no limit.
// Requests that are in flight stay.
func (p *Pool) SetLimit(limit int) {
	if p.limit != limit {
		p.limit = limit
		p.refresh()
	}
}

// maxRemoteLoad bounds the load that other gateways can report, and so the memory
// of the set. Instances above it compare as equally busy.
const maxRemoteLoad = 1 << 16

// SetRemoteLoad sets how many requests other gateways have in flight on an
// instance of the pool. They count for the modes that compare loads.
func (p *Pool) SetRemoteLoad(i *Instance, inFlight int) {
	i.remoteLoad = min(inFlight, maxRemoteLoad)
	p.setInFlight(i, i.inFlight)
}

// SetReserved sets how much of the limit of an instance of the pool is for other
// gateways.
func (p *Pool) SetReserved(i *Instance, permits int) {
	i.reserved = permits
	p.setInFlight(i, i.inFlight)
}

// Fence keeps new requests off the k instances with the highest allocation
// indexes, which Nomad stops first, while another instance has room. Draining
// instances are not among the k.
func (p *Pool) Fence(k int) {
	if p.fence != k {
		p.fence = k
		p.refresh()
	}
}

// Add puts an instance into the pool and returns it. The instance is not ready yet.
// An instance that is in the pool already stays as it is.
func (p *Pool) Add(id string, index int, address string) *Instance {
	if i := p.Get(id); i != nil {
		return i
	}
	i := &Instance{ID: id, Index: index, Address: address, hash: hash(id)}
	p.instances = append(p.instances, i)
	slices.SortFunc(p.instances, compare)
	p.refresh()
	return i
}

// Remove takes an instance out of the pool. Its requests may still be released.
func (p *Pool) Remove(id string) {
	if i := p.Get(id); i != nil {
		i.set = nil
	}
	p.instances = slices.DeleteFunc(p.instances, func(i *Instance) bool { return i.ID == id })
	p.refresh()
}

// SetReady sets whether an instance takes requests. An ID that is not in the pool
// is ignored.
func (p *Pool) SetReady(id string, ready bool) {
	if i := p.Get(id); i != nil && i.ready != ready {
		i.ready = ready
		p.refresh()
	}
}

// SetDraining sets whether an instance is about to stop. A draining instance gets
// no new requests. An ID that is not in the pool is ignored.
func (p *Pool) SetDraining(id string, draining bool) {
	if i := p.Get(id); i != nil && i.draining != draining {
		i.draining = draining
		p.refresh()
	}
}

// Get returns the instance with an ID, or nil.
func (p *Pool) Get(id string) *Instance {
	for _, i := range p.instances {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// Instances lists the pool by allocation index.
func (p *Pool) Instances() []*Instance { return slices.Clone(p.instances) }

// Acquire selects an instance for a request and counts the request as in flight
// on it until [Pool.Release]. Only [scaler.SelectHash] uses the key.
//
// Only instances that are ready, not draining and below the limit are selected.
// The error is [ErrEmpty], [ErrFull] or a [*SeveralError].
func (p *Pool) Acquire(key string) (*Instance, error) {
	from, err := p.candidates(p.mode)
	if err != nil {
		return nil, err
	}
	i := p.mode.Select(from, key)
	p.setInFlight(i, i.inFlight+1)
	return i, nil
}

// candidates are the instances that a mode selects from.
func (p *Pool) candidates(mode Mode) (*Set, error) {
	if len(p.ready) == 0 {
		return nil, ErrEmpty
	}
	if m, ok := mode.(interface{ check(ready []*Instance) error }); ok {
		if err := m.check(p.ready); err != nil {
			return nil, err
		}
	}
	from := &p.open
	if from.Len() == 0 {
		from = &p.fenced
	}
	if from.Len() == 0 {
		return nil, ErrFull
	}
	return from, nil
}

// Release ends a request on the instance. It must be called once for each
// [Pool.Acquire] that returned the instance.
func (p *Pool) Release(i *Instance) { p.setInFlight(i, i.inFlight-1) }

// setInFlight sets the requests in flight on an instance and updates its set.
func (p *Pool) setInFlight(i *Instance, inFlight int) {
	i.inFlight = inFlight
	if i.set != nil {
		i.set.update(i, p.limit)
	}
}

// refresh lists the ready instances again. Those behind the fence have the highest
// indexes, so they are at the end of the list.
func (p *Pool) refresh() {
	p.ready = p.ready[:0]
	fenced, remaining := 0, p.fence
	for _, i := range slices.Backward(p.instances) {
		i.set = nil
		if i.draining {
			continue
		}
		if i.ready {
			p.ready = append(p.ready, i)
			if remaining > 0 {
				fenced++
			}
		}
		remaining--
	}
	slices.Reverse(p.ready)
	open := len(p.ready) - fenced
	p.open.fill(p.ready[:open], p.limit)
	p.fenced.fill(p.ready[open:], p.limit)
}
