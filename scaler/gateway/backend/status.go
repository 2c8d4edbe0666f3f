package backend

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// Status is what /v1/apps says of the app.
func (a *App) Status() api.AppStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	s := api.AppStatus{
		App: a.ID, Mounts: a.mounts, Refused: a.refused,
		Desired: a.growth.expectedLocked(now), Queued: a.waiting.queue.length(),
		StartSeconds: a.starts.time.average.Seconds(),
		StartError:   a.starts.currentLocked(now).why,
		ColdStart:    a.starts.cold.last,
	}
	s.Instances, s.Running, s.InFlight = a.instances.Statuses()
	if p := a.Policy(); p != nil {
		s.Policy, s.Enabled, s.Metric = p.Document(), p.Enabled, p.Metric
		s.Override = a.config.Overrides.Apply(p, now).Override
		if load, known := a.meter.Snapshot(now).In(p.Metric); known {
			s.Load = &load
		}
	}
	if a.err != nil {
		s.Error = a.err.Error()
	}
	if a.growth.err != nil {
		s.ScaleError = a.growth.err.Error()
	}
	if d := a.growth.decisions.newest(); d != nil {
		latest := d.status()
		s.Decision = &latest
	}
	return s
}

// Decisions lists the last decisions made here, newest first.
func (a *App) Decisions() []api.DecisionStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.growth.decisions.statuses()
}

// Load is the load here at this moment.
func (a *App) Load() load.Snapshot { return a.meter.Snapshot(a.config.Now()) }

// Series is the load here in a metric over a window that ends now.
func (a *App) Series(metric scaler.Metric, window time.Duration) load.Series {
	now := a.config.Now()
	return a.meter.Series(metric, now.Add(-window), now)
}

// NeededSeries is Series over as much of the window as the app's policy needs.
func (a *App) NeededSeries(metric scaler.Metric, window time.Duration) load.Series {
	if p := a.Policy(); p != nil {
		window = min(window, load.Retention(*p))
	}
	return a.Series(metric, window)
}

// PeerLoad is what other gateways are told of the app; idle reports that there is
// nothing to tell.
func (a *App) PeerLoad() (l api.PeerLoad, idle bool) {
	s := a.meter.Snapshot(a.config.Now())
	l = api.PeerLoad{RequestsPerMinute: s.RequestsPerMinute, Concurrency: s.Concurrency, Arrivals: a.rate.Arrivals()}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.instances.All() {
		switch n := i.InFlight(); {
		case n > 0:
			if l.InFlight == nil {
				l.InFlight = make(map[string]int)
			}
			l.InFlight[i.ID] = n
		case i.State == api.Draining:
			l.Drained = append(l.Drained, i.ID)
		}
	}
	return l, s.RequestsPerMinute == 0 && l.Arrivals == 0 && l.InFlight == nil && l.Drained == nil
}
