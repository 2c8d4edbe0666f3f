package nomad

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestKeyedMutex(t *testing.T) {
	var mutex keyedMutex
	var inside, most atomic.Int32
	var writers sync.WaitGroup
	for range 50 {
		writers.Go(func() {
			if err := mutex.lock(t.Context(), "a"); err != nil {
				t.Error(err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
			mutex.unlock("a")
		})
	}
	writers.Wait()
	if most.Load() != 1 {
		t.Errorf("%d held the mutex at once", most.Load())
	}

	if err := mutex.lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := mutex.lock(t.Context(), "b"); err != nil {
		t.Errorf("another key: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := mutex.lock(ended, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a context that has ended: %v", err)
	}
	mutex.unlock("a")
	mutex.unlock("b")
	if len(mutex.entries) != 0 {
		t.Errorf("%d entries are left", len(mutex.entries))
	}
}
