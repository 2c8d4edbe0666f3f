package nomadplugin

import (
	"context"
	"sync"
)

// background runs one task in the background. It is safe for concurrent use.
type background struct {
	mutex  sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

// replace cancels the current task and returns at once. The new task starts when
// the current one has returned.
func (b *background) replace(task func(context.Context)) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	previous := b.done
	if previous != nil {
		b.cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.cancel, b.done = cancel, done
	go func() {
		defer close(done)
		if previous != nil {
			<-previous
		}
		task(ctx)
	}()
}

// stop cancels the current task and waits until it has returned.
func (b *background) stop() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.done != nil {
		b.cancel()
		<-b.done
	}
}
