// Package backend is an app at run time: its instances, the requests that wait for
// one, and how it starts and grows. It knows no HTTP: a request acquires a
// [Lease] of an instance and releases it with the result of its attempt.
package backend

import (
	"context"
	"log/slog"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/instances"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Config is what all apps of a gateway share.
type Config struct {
	Nomad Nomad
	// Overrides are what operators have changed for a while.
	Overrides *nomad.Overrides
	// Cluster is what is known of the other gateways.
	Cluster *cluster.Cluster
	// Process names the gateway's process among the others, and Clock numbers what
	// it tells them.
	Process string
	Clock   *cluster.LamportClock
	// Budget bounds the requests that wait, of all apps together.
	Budget  *Budget
	Prober  instances.Prober
	Metrics Metrics
	// EndDelays ends the shutdown_delay of a stopping instance when its last
	// request has ended at every gateway.
	EndDelays bool
	Now       func() time.Time
	Log       *slog.Logger
	// Unreachable is why Nomad does not answer; nil while it does.
	Unreachable func() error
	// Context ends what runs in the background, and Go runs it.
	Context context.Context
	Go      func(func())
}

// Nomad is what an app needs of Nomad; [*nomad.Client] is one.
type Nomad interface {
	Status(ctx context.Context, app scaler.AppID) (nomad.Status, error)
	Scale(ctx context.Context, app scaler.AppID, from nomad.Status, d scaler.Decision) error
	EndDelay(ctx context.Context, allocation string) error
}

// Metrics counts what happens to apps.
type Metrics interface {
	// ScaleCall counts a scale call by its result: ok, locked, conflict or error.
	ScaleCall(app scaler.AppID, result string)
	// Decision counts a decision on arrival by its rule.
	Decision(app scaler.AppID, rule scaler.Rule)
	// Ejection counts an instance that is taken out of rotation.
	Ejection(app scaler.AppID)
	// ColdStart records how long a phase of a start from zero took.
	ColdStart(app scaler.AppID, phase string, took time.Duration)
	// Forget drops the metrics of an app that is gone.
	Forget(app scaler.AppID)
}

// callTimeout bounds each call to Nomad.
const callTimeout = 5 * time.Second

// pause waits, and reports whether the context has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
