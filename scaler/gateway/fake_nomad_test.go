package gateway_test

import (
	"context"
	"slices"
	"sync"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// fakeNomad answers as a test says, and lets the test tell a gateway what changes.
type fakeNomad struct {
	// watching is closed when the gateway watches apps, instances and overrides.
	watching chan struct{}
	watchers sync.WaitGroup

	report    func([]nomad.App)
	failed    func(error)
	instances nomad.InstanceWatcher
	overrides func([]nomad.AppOverride)

	mu sync.Mutex
	// state is what Status answers.
	state     nomad.Status
	statusErr error
	// scaled are the counts asked for, and ended the allocations whose delay was ended.
	scaled []int
	ended  []string
	// onScale is called after a count was accepted.
	onScale func(count int)
}

var _ gateway.Nomad = (*fakeNomad)(nil)

func newFakeNomad() *fakeNomad {
	f := &fakeNomad{watching: make(chan struct{})}
	f.watchers.Add(3)
	go func() {
		f.watchers.Wait()
		close(f.watching)
	}()
	return f
}

func (f *fakeNomad) WatchApps(ctx context.Context, report func([]nomad.App), failed func(error)) {
	f.report, f.failed = report, failed
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) WatchInstances(ctx context.Context, w nomad.InstanceWatcher) {
	f.instances = w
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) WatchOverrides(ctx context.Context, report func([]nomad.AppOverride), _ func(error)) {
	f.overrides = report
	f.watchers.Done()
	<-ctx.Done()
}

func (f *fakeNomad) Status(context.Context, scaler.AppID) (nomad.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.statusErr
}

func (f *fakeNomad) Scale(_ context.Context, _ scaler.AppID, _ nomad.Status, d scaler.Decision) error {
	f.mu.Lock()
	f.scaled = append(f.scaled, d.Count)
	f.state.Desired = d.Count
	onScale := f.onScale
	f.mu.Unlock()
	if onScale != nil {
		onScale(d.Count)
	}
	return nil
}

func (f *fakeNomad) EndDelay(_ context.Context, allocation string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = append(f.ended, allocation)
	return nil
}

// delaysEnded are the allocations whose delay was ended, in order.
func (f *fakeNomad) delaysEnded() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ended)
}
