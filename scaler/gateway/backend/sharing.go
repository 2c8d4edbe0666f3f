package backend

import (
	"context"
	"iter"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/instances"
)

// sharing is an app's part of what the gateways share: its load at the others, and
// the permits of its hard cap, max_concurrency_per_instance. The app's mutex guards
// it.
type sharing struct {
	app     *App
	remote  cluster.RemoteLoad
	permits *cluster.Permits
	// claiming reports that a goroutine asks for permits.
	claiming bool
	// delaysEnded are the stopping instances whose shutdown_delay has been ended; nil
	// when there was none.
	delaysEnded map[string]bool
}

// permitted shows the instances of an app to its permits.
type permitted struct{ *instances.Set }

// All lists the instances.
func (p permitted) All() iter.Seq[cluster.Instance] {
	return func(yield func(cluster.Instance) bool) {
		for i := range p.Set.All() {
			if !yield(cluster.Instance{ID: i.ID, InFlight: i.InFlight(), Open: i.State == api.Ready}) {
				return
			}
		}
	}
}

// Reserve keeps permits of an instance for other gateways.
func (p permitted) Reserve(id string, permits int) {
	if i := p.Get(id); i != nil {
		p.Pool.SetReserved(i.Pooled(), permits)
	}
}

// observeLocked takes over what the other gateways have of the app.
func (s *sharing) observeLocked(m *cluster.Membership) {
	remote := m.Load(s.app.ID)
	quiet := remote.None() && s.remote.None()
	s.remote = remote
	if m.Joined() {
		s.permits.ReleaseIdle()
	}
	for i := range s.app.instances.All() {
		if !quiet {
			s.app.instances.Pool.SetRemoteLoad(i.Pooled(), remote.InFlight[i.ID])
			if limit := s.permits.Limit(); limit > 0 && i.InFlight()+remote.InFlight[i.ID] > limit {
				s.permits.SetOverlap()
				s.claimLocked()
			}
		}
		s.endDelayLocked(i.ID)
	}
}

// endDelayLocked ends the shutdown_delay of a stopping instance when its last request
// is over, at every gateway. It does so once.
func (s *sharing) endDelayLocked(id string) {
	c, i := s.app.config, s.app.instances.Get(id)
	if !c.EndDelays || i == nil || s.delaysEnded[id] || !i.Pooled().Draining() || i.InFlight() > 0 ||
		!c.Cluster.Snapshot().Drained(s.app.ID, id) {
		return
	}
	if s.delaysEnded == nil {
		s.delaysEnded = make(map[string]bool)
	}
	s.delaysEnded[id] = true
	c.Go(func() {
		ctx, cancel := context.WithTimeout(c.Context, callTimeout)
		defer cancel()
		if err := c.Nomad.EndDelay(ctx, id); err != nil {
			s.app.log.Warn("the delay of a stopping instance could not be ended early", "instance", id, "error", err)
		}
	})
}

// Permits are asked for again after claimFirst at first, and later after claimLast.
const (
	claimFirst = 5 * time.Millisecond
	claimLast  = 80 * time.Millisecond
)

// claimLocked asks the other gateways for permits for as long as requests wait, or
// some are granted twice. There is at most one claim at a time for each app.
func (s *sharing) claimLocked() {
	if s.claiming || !s.permits.Limited() && !s.permits.Overlap() {
		return
	}
	s.claiming = true
	ctx := s.app.config.Context
	s.app.config.Go(func() {
		next := backoff.ExponentialBackOff{InitialInterval: claimFirst, Multiplier: 2, MaxInterval: claimLast}
		for {
			served, again := s.claimOnce(ctx)
			if served {
				next.Reset()
			}
			if !again || !pause(ctx, next.NextBackOff()) {
				return
			}
		}
	})
}

// claimOnce asks once, if there is still a reason. It reports whether requests were
// served by it, and whether there is a reason to ask again.
func (s *sharing) claimOnce(ctx context.Context) (served, again bool) {
	report, needed := s.request()
	if !needed {
		return false, false
	}
	answers, all := s.app.config.Cluster.ExchangePermits(ctx, report)
	return s.take(answers, all)
}

// request begins to ask, if there is anything to ask for.
func (s *sharing) request() (r api.PermitReport, needed bool) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	if s.claiming = s.permits.Request(s.app.waiting.queue.length()); !s.claiming {
		return r, false
	}
	return s.permits.Report(), true
}

// take takes over the answers of the other gateways; all reports that none is
// missing.
func (s *sharing) take(answers []api.PermitReport, all bool) (served, again bool) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	now := s.app.config.Now()
	for _, r := range answers {
		s.permits.Observe(r, now)
	}
	queue := &s.app.waiting.queue
	before := queue.length()
	if all {
		s.permits.Claim(s.app.config.Cluster.Snapshot(), now)
		s.app.waiting.dispatchLocked()
	}
	s.claiming = queue.length() > 0 || s.permits.Overlap()
	return queue.length() < before, s.claiming
}

// AnswerPermits gives up permits to another gateway, and says which are left.
func (a *App) AnswerPermits(r api.PermitReport) api.PermitReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, permits := a.config.Now(), a.sharing.permits
	permits.Observe(r, now)
	permits.Yield(r, a.waiting.queue.length(), a.config.Cluster.Snapshot(), now)
	return permits.Report()
}
