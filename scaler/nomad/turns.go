package nomad

import (
	"context"
	"sync"
)

// turns let those who write the same thing in one process do so one after
// another, where each would only find that another was first.
type turns struct {
	mu     sync.Mutex
	queues map[string]*queue
}

// queue is held by whoever has put something into its one place.
type queue struct {
	place chan struct{}
	// users are those who hold it or wait for it.
	users int
}

// take waits for the turn at a key.
func (t *turns) take(ctx context.Context, key string) error {
	t.mu.Lock()
	if t.queues == nil {
		t.queues = make(map[string]*queue)
	}
	q := t.queues[key]
	if q == nil {
		q = &queue{place: make(chan struct{}, 1)}
		t.queues[key] = q
	}
	q.users++
	t.mu.Unlock()
	select {
	case q.place <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.forget(key, q)
		return ctx.Err()
	}
}

// leave ends the turn at a key.
func (t *turns) leave(key string) {
	t.mu.Lock()
	q := t.queues[key]
	t.mu.Unlock()
	<-q.place
	t.forget(key, q)
}

func (t *turns) forget(key string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queues, key)
	}
}
