package nomad

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTurns(t *testing.T) {
	var all turns
	var inside, most atomic.Int32
	var writers sync.WaitGroup
	for range 50 {
		writers.Go(func() {
			if err := all.take(t.Context(), "a"); err != nil {
				t.Error(err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
			all.leave("a")
		})
	}
	writers.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had the turn at once", most.Load())
	}

	if err := all.take(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := all.take(t.Context(), "b"); err != nil {
		t.Errorf("another key: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := all.take(ended, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a context that has ended: %v", err)
	}
	all.leave("a")
	all.leave("b")
	if len(all.queues) != 0 {
		t.Errorf("%d queues are left", len(all.queues))
	}
}
