package nomadplugin

import (
	"context"
	"sync"
)

// follower does something that lasts, for one Nomad at a time.
type follower struct {
	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// follow runs do in the place of what it ran before. It waits for neither.
func (f *follower) follow(do func(context.Context)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.done
	if before != nil {
		f.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	f.stop, f.done = stop, done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		do(ctx)
	}()
}

// end ends what runs and waits until it has.
func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done != nil {
		f.stop()
		<-f.done
	}
}
