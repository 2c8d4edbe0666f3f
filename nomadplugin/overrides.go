package nomadplugin

import (
	"context"
	"sync"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// overrideWatch follows the overrides of one Nomad at a time.
type overrideWatch struct {
	overrides *nomad.Overrides

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// follow begins a watch in the place of the one before. It waits for neither.
// Until the new watch has found out, what the one before knew holds.
func (w *overrideWatch) follow(client *nomad.Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.done
	if before != nil {
		w.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.stop, w.done = stop, done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		client.WatchOverrides(ctx, w.overrides.Report, w.overrides.Failed)
	}()
}

// end ends the watch and waits until it has.
func (w *overrideWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done != nil {
		w.stop()
		<-w.done
	}
}
