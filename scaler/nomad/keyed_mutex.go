package nomad

import (
	"context"
	"sync"
)

// keyedMutex is a mutex for each key. It makes the writers of the same job in one
// process take turns, because otherwise each would only find a conflict. The zero
// value is ready for use.
type keyedMutex struct {
	mu      sync.Mutex
	entries map[string]*mutexEntry
}

// mutexEntry is the mutex of one key.
type mutexEntry struct {
	// slot has room for one value, which the holder has put there.
	slot chan struct{}
	// users counts the holder and those who wait.
	users int
}

// lock waits for the mutex of a key, or until the context ends.
func (m *keyedMutex) lock(ctx context.Context, key string) error {
	m.mu.Lock()
	if m.entries == nil {
		m.entries = make(map[string]*mutexEntry)
	}
	e := m.entries[key]
	if e == nil {
		e = &mutexEntry{slot: make(chan struct{}, 1)}
		m.entries[key] = e
	}
	e.users++
	m.mu.Unlock()
	select {
	case e.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		m.leave(key, e)
		return ctx.Err()
	}
}

// unlock releases the mutex of a key.
func (m *keyedMutex) unlock(key string) {
	m.mu.Lock()
	e := m.entries[key]
	m.mu.Unlock()
	<-e.slot
	m.leave(key, e)
}

// leave removes the entry of a key after its last user.
func (m *keyedMutex) leave(key string, e *mutexEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.users--; e.users == 0 {
		delete(m.entries, key)
	}
}
