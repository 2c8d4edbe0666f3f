package selection

import (
	"cmp"
	"slices"
)

// Instance is one instance of an app in a [Pool].
type Instance struct {
	// ID is the ID of the allocation.
	ID string
	// Index is the allocation's index in its group.
	Index int
	// Address is where the instance takes requests. The pool does not look at it.
	Address string

	inFlight        int
	ready, draining bool
	hash            uint64

	// What other gateways have of it.
	elsewhere, reserved int

	// set has the instance while it takes requests, at position; where it is in
	// the set's lists is inFree, and inLevel on level.
	set                              *Set
	position, inFree, level, inLevel int
}

// InFlight is how many requests the instance has: acquired and not released.
func (i *Instance) InFlight() int { return i.inFlight }

// load is what the modes go by that look for little of it.
func (i *Instance) load() int { return i.inFlight + i.elsewhere }

// hasRoom tells whether the instance may have one more request.
func (i *Instance) hasRoom(limit int) bool { return limit == 0 || i.inFlight+i.reserved < limit }

// Ready tells whether the instance takes requests.
func (i *Instance) Ready() bool { return i.ready }

// Draining tells whether the instance is about to stop.
func (i *Instance) Draining() bool { return i.draining }

// after tells whether the instance comes after that place in the order.
func (i *Instance) after(index int, id string) bool {
	return i.Index > index || i.Index == index && i.ID > id
}

// Pool is the instances of one app and the requests that each has in flight.
// It is for one goroutine at a time: the caller holds a lock around every call.
type Pool struct {
	mode  Mode
	limit int
	fence int

	instances []*Instance // by allocation index
	ready     []*Instance // those that take requests, by allocation index
	// open are the ready instances before the fence, fenced those behind it.
	open, fenced Set
}

// NewPool returns a pool without instances. The limit is the most requests in
// flight on one instance; 0 means none.
func NewPool(mode Mode, limit int) *Pool {
	return &Pool{mode: mode, limit: limit}
}

// SetMode changes the way instances are selected.
func (p *Pool) SetMode(mode Mode) { p.mode = mode }

// SetLimit changes the most requests in flight on one instance; 0 means none.
// What is in flight already stays.
func (p *Pool) SetLimit(limit int) {
	if p.limit != limit {
		p.limit = limit
		p.refresh()
	}
}

// mostElsewhere bounds what other gateways can say of an instance; above it
// all are equally busy.
const mostElsewhere = 1 << 16

// SetElsewhere says how many requests other gateways have in flight on an
// instance of the pool. They count for the modes that go by load.
func (p *Pool) SetElsewhere(i *Instance, inFlight int) {
	i.elsewhere = min(inFlight, mostElsewhere)
	p.count(i, i.inFlight)
}

// SetReserved says how much of the limit is for other gateways on an instance of
// the pool.
func (p *Pool) SetReserved(i *Instance, slots int) {
	i.reserved = slots
	p.count(i, i.inFlight)
}

// Fence keeps new requests from the highest k allocation indexes, which are the
// ones that Nomad stops first, for as long as there is another instance with
// room. Instances that are draining are not among the k.
func (p *Pool) Fence(k int) {
	if p.fence != k {
		p.fence = k
		p.refresh()
	}
}

// Add puts an instance into the pool, not ready yet. One that is in it already
// stays as it is. The result is the instance in the pool.
func (p *Pool) Add(id string, index int, address string) *Instance {
	if i := p.Get(id); i != nil {
		return i
	}
	i := &Instance{ID: id, Index: index, Address: address, hash: fnv1a(id)}
	p.instances = append(p.instances, i)
	slices.SortFunc(p.instances, func(a, b *Instance) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
	})
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

// SetReady says whether an instance takes requests. An ID that is not in the
// pool is ignored.
func (p *Pool) SetReady(id string, ready bool) {
	if i := p.Get(id); i != nil && i.ready != ready {
		i.ready = ready
		p.refresh()
	}
}

// SetDraining says whether an instance is about to stop, so that it gets no new
// requests. An ID that is not in the pool is ignored.
func (p *Pool) SetDraining(id string, draining bool) {
	if i := p.Get(id); i != nil && i.draining != draining {
		i.draining = draining
		p.refresh()
	}
}

// Get returns the instance of that ID, nil when there is none.
func (p *Pool) Get(id string) *Instance {
	for _, i := range p.instances {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// Instances lists the pool in the order of the allocation index.
func (p *Pool) Instances() []*Instance { return slices.Clone(p.instances) }

// Acquire selects an instance for a request and counts the request as in flight
// on it until [Pool.Release]. The key is what [scaler.SelectHash] goes by.
//
// Only instances that are ready, not draining and below the limit are selected.
// The error is [ErrEmpty], [ErrFull] or a [*SeveralError].
func (p *Pool) Acquire(key string) (*Instance, error) {
	from, err := p.candidates(p.mode)
	if err != nil {
		return nil, err
	}
	i := p.mode.Select(from, key)
	p.count(i, i.inFlight+1)
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

// Release says that a request on the instance is over. It must follow an
// [Pool.Acquire] that returned the instance, once for each.
func (p *Pool) Release(i *Instance) { p.count(i, i.inFlight-1) }

// count sets the requests in flight on an instance.
func (p *Pool) count(i *Instance, inFlight int) {
	i.inFlight = inFlight
	if i.set != nil {
		i.set.changed(i, p.limit)
	}
}

// refresh lists the ready instances again. The highest indexes are behind the
// fence, so those are the end of the list.
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
