package selection

import "cmp"

// Instance is one instance of an app in a [Pool].
type Instance struct {
	// ID is the ID of the allocation.
	ID string
	// Index is the allocation's index in its group.
	Index int
	// Address is where the instance takes requests. The pool does not use it.
	Address string

	inFlight        int
	ready, draining bool
	hash            uint64

	// remoteLoad is the requests that other gateways have in flight on the
	// instance, and reserved the part of the limit that is for other gateways.
	remoteLoad, reserved int

	// set contains the instance while it takes requests, nil otherwise. The other
	// fields are the indexes of the instance in the lists of the set.
	set                              *Set
	position, inFree, level, inLevel int
}

// InFlight is how many requests of the instance are acquired and not yet released.
func (i *Instance) InFlight() int { return i.inFlight }

// load is what the modes that prefer a low load compare.
func (i *Instance) load() int { return i.inFlight + i.remoteLoad }

// hasRoom reports whether the instance may have one more request.
func (i *Instance) hasRoom(limit int) bool { return limit == 0 || i.inFlight+i.reserved < limit }

// Ready reports whether the instance takes requests.
func (i *Instance) Ready() bool { return i.ready }

// Draining reports whether the instance is about to stop.
func (i *Instance) Draining() bool { return i.draining }

// isAfter reports whether the instance follows an index and ID in the order of the
// pool.
func (i *Instance) isAfter(index int, id string) bool {
	return i.Index > index || i.Index == index && i.ID > id
}

// compare orders instances by allocation index, and by ID if the indexes are equal.
func compare(a, b *Instance) int {
	return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
}
