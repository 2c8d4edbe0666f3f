package instances

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Prober asks an instance once whether it is ready: an open port, or with a path
// an answer of 2xx or 3xx.
type Prober interface {
	Probe(ctx context.Context, address, path string) error
}

// A probe is repeated after probeFirst at first and after probeLast in the end. A
// quick app is seen within probeFirst of its port being open, and one that never
// starts costs four probes a second.
const (
	probeFirst = 25 * time.Millisecond
	probeLast  = 250 * time.Millisecond
)

// awaitReady probes an instance until probed says that it was the last time, or the
// context ends. The first probe comes after a pause.
func awaitReady(ctx context.Context, p Prober, after time.Duration, address, path string, probed func(error) bool) {
	next := backoff.ExponentialBackOff{InitialInterval: probeFirst, Multiplier: 1.1, MaxInterval: probeLast}
	for {
		timer := time.NewTimer(after)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if probed(p.Probe(ctx, address, path)) {
			return
		}
		after = next.NextBackOff()
	}
}
