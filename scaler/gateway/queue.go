package gateway

// queue holds the turns of requests that wait, in order. A turn knows its
// neighbours, so that any can leave at once.
type queue struct {
	first, last *turn
	length      int
}

// turn is the place of a waiting request in a queue.
type turn struct {
	key           string
	before, after *turn
	queued        bool
	// bytes are what the request takes while it waits.
	bytes int64
	// granted gets one grant, and then the turn is no longer queued.
	granted chan grant
}

// grant ends a wait: with room at an instance, or with the reason for none.
type grant struct {
	place place
	err   error
}

// push lets a turn wait behind all others.
func (q *queue) push(t *turn) { q.insert(q.last, t, nil) }

// pushFirst lets a turn wait ahead of all others.
func (q *queue) pushFirst(t *turn) { q.insert(nil, t, q.first) }

func (q *queue) insert(before, t, after *turn) {
	t.before, t.after, t.queued = before, after, true
	q.link(before, t)
	q.link(t, after)
	q.length++
}

// remove takes a turn out that is queued.
func (q *queue) remove(t *turn) {
	q.link(t.before, t.after)
	t.before, t.after, t.queued = nil, nil, false
	q.length--
}

// link makes neighbours of two turns; nil stands for an end of the queue.
func (q *queue) link(before, after *turn) {
	if before == nil {
		q.first = after
	} else {
		before.after = after
	}
	if after == nil {
		q.last = before
	} else {
		after.before = before
	}
}
