package backend

import (
	"container/list"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// queue holds the requests that wait, in order.
type queue struct{ waiters list.List }

// waiter is a request that waits.
type waiter struct {
	key string
	// bytes are what the request takes while it waits.
	bytes int64
	// granted gets one grant, and then the request is no longer in the queue.
	granted chan grant
	// at is its place in the queue; nil once it has left.
	at *list.Element
}

// assignment is an instance that a request is assigned to, and its address then.
type assignment struct {
	instance *selection.Instance
	address  string
}

// grant ends a wait: with room at an instance, or with the reason for none.
type grant struct {
	assignment
	err error
}

func newWaiter(key string, bytes int64) *waiter {
	return &waiter{key: key, bytes: bytes, granted: make(chan grant, 1)}
}

// length is how many requests wait.
func (q *queue) length() int { return q.waiters.Len() }

// push lets a request wait behind all others.
func (q *queue) push(w *waiter) { w.at = q.waiters.PushBack(w) }

// pushFirst lets a request wait ahead of all others.
func (q *queue) pushFirst(w *waiter) { w.at = q.waiters.PushFront(w) }

// remove takes a request out that waits.
func (q *queue) remove(w *waiter) {
	q.waiters.Remove(w.at)
	w.at = nil
}

// oldest is the request that has waited longest, nil when none waits.
func (q *queue) oldest() *waiter { return waiterAt(q.waiters.Front()) }

// newest is the request that came last, nil when none waits.
func (q *queue) newest() *waiter { return waiterAt(q.waiters.Back()) }

func waiterAt(e *list.Element) *waiter {
	if e == nil {
		return nil
	}
	return e.Value.(*waiter) //nolint:forcetypeassert // the queue holds nothing else
}
