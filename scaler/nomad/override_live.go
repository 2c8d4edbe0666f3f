package nomad

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Overrides applies the overrides of all apps to the policies of those who decide. Its
// Report and Failed are the callbacks of [OverrideStore.WatchOverrides]. It is safe for
// concurrent use.
type Overrides struct {
	ignored func(scaler.AppID, error)
	current atomic.Pointer[map[scaler.AppID]*liveOverride]
	// known is closed by Report, or overrideGrace after the first failure.
	first, failing sync.Once
	known          chan struct{}

	// mu guards reported, the last text for each override that is ignored.
	mu       sync.Mutex
	reported map[variableKey]string
}

type liveOverride struct {
	AppOverride
	// misfit is the last text that was reported when the override was applied.
	misfit atomic.Pointer[string]
}

// NewOverrides returns an Overrides without overrides. It calls ignored once for every
// change that cannot be applied; a zero AppID stands for all apps.
func NewOverrides(ignored func(scaler.AppID, error)) *Overrides {
	o := &Overrides{ignored: ignored, known: make(chan struct{}), reported: make(map[variableKey]string)}
	o.current.Store(new(map[scaler.AppID]*liveOverride))
	return o
}

// overrideGrace is how long those who decide wait for overrides that cannot be read.
// Then they decide without, because a failure to read overrides must not prevent apps
// from starting.
const overrideGrace = 10 * time.Second

// Known reports whether there is no reason to wait for the overrides: they are known,
// or the token may not read them, or reading them has failed for ten seconds.
func (o *Overrides) Known() bool {
	select {
	case <-o.known:
		return true
	default:
		return false
	}
}

// Wait waits until the overrides are [Overrides.Known].
func (o *Overrides) Wait(ctx context.Context) error {
	select {
	case <-o.known:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the overrides: %w", ctx.Err())
	}
}

// Report replaces the overrides.
func (o *Overrides) Report(all []AppOverride) {
	defer o.setKnown()
	o.mu.Lock()
	defer o.mu.Unlock()
	before, current := *o.current.Load(), make(map[scaler.AppID]*liveOverride, len(all))
	reported := make(map[variableKey]string)
	for _, override := range all {
		key := variableKey{override.App.Namespace, override.Path}
		if override.Err == nil {
			next := &liveOverride{AppOverride: override}
			if known := before[override.App]; known != nil && known.ModifyIndex == override.ModifyIndex {
				next.misfit.Store(known.misfit.Load())
			}
			current[override.App] = next
			continue
		}
		reported[key] = fmt.Sprintf("%s is ignored: %v", override.Path, override.Err)
		if o.reported[key] != reported[key] {
			o.ignored(override.App, errors.New(reported[key]))
		}
	}
	o.reported = reported
	o.current.Store(&current)
}

// Failed notes that the overrides cannot be read. The known ones stay in force until
// they expire.
func (o *Overrides) Failed(err error) {
	if errors.Is(err, ErrDenied) {
		o.setKnown()
	} else {
		o.failing.Do(func() { time.AfterFunc(overrideGrace, o.setKnown) })
	}
	o.ignored(scaler.AppID{}, fmt.Errorf("only the overrides that are known stay in force, until they expire: %w", err))
}

func (o *Overrides) setKnown() { o.first.Do(func() { close(o.known) }) }

// Apply returns the policy as its app's override changes it, or the policy itself
// without one. It does not change the policy.
//
// It takes a pointer because requests that wait call it: a policy on the stack of
// each of them is a good part of their memory.
func (o *Overrides) Apply(p *scaler.Policy, now time.Time) *scaler.Policy {
	live := (*o.current.Load())[p.App]
	if live == nil {
		return p
	}
	return o.apply(live, p, now)
}

//go:noinline
func (o *Overrides) apply(live *liveOverride, p *scaler.Policy, now time.Time) *scaler.Policy {
	changed, err := live.Apply(*p, now)
	if err != nil {
		text := err.Error()
		if last := live.misfit.Swap(&text); last == nil || *last != text {
			o.ignored(live.App, fmt.Errorf("the override %q is ignored: %w", live.Override.Changes(), err))
		}
	}
	return &changed
}
