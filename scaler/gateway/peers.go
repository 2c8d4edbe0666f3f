package gateway

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// peerInterval is how often gateways ask each other, and peerTimeout how
	// long an answer may take.
	peerInterval = time.Second
	peerTimeout  = 800 * time.Millisecond
	// refreshTimeout bounds how long a decision waits for the newest load.
	refreshTimeout = 100 * time.Millisecond
	// The last report of a gateway that stops answering stays as it is for
	// peerHold, for a pause is not an end, and then fades until peerForget: by
	// then no request of it counts for the trailing minute.
	peerHold   = 3 * time.Second
	peerForget = time.Minute
)

// peers are the other gateways. A nil one is that of a gateway that looks for no
// other.
type peers struct {
	gateway *Gateway
	fleet   *api.Client

	mu sync.Mutex
	// found is the outcome of looking for gateways.
	found error
	all   map[string]*peer // by address
	// gone are the last reports of processes that have ended.
	gone map[string]remains

	view atomic.Pointer[view]
	// looked is closed when the gateways have been looked for and asked once.
	looked chan struct{}
}

// peer is another gateway, or the one itself, at an address.
type peer struct {
	address  string
	listed   bool
	self     bool
	asked    time.Time
	report   *api.PeerReport // nil while there is none that counts
	answered time.Time
	err      error
}

// remains are what a process has reported last before it ended.
type remains struct {
	apps map[scaler.AppID]api.PeerLoad
	at   time.Time
}

var errNotLookedFor = errors.New("the gateways have not been looked for yet")

func newPeers(g *Gateway, fleet *api.Client) *peers {
	if fleet == nil {
		return nil
	}
	s := &peers{
		gateway: g, fleet: fleet, found: errNotLookedFor,
		all: make(map[string]*peer), gone: make(map[string]remains), looked: make(chan struct{}),
	}
	s.view.Store(new(view))
	return s
}

// run asks the others for their load, again and again.
func (s *peers) run(ctx context.Context) {
	if s == nil {
		return
	}
	s.find(ctx)
	// Nomad may be slow to answer, which is nothing to the peers.
	s.gateway.work.Go(func() {
		for pause(ctx, peerInterval) {
			s.find(ctx)
		}
	})
	s.round(ctx)
	close(s.looked)
	last := s.gateway.now()
	for pause(ctx, jittered(peerInterval)) {
		now := s.gateway.now()
		for _, a := range s.gateway.apps.all() {
			a.countArrivals(now.Sub(last))
		}
		last = now
		s.round(ctx)
	}
}

// jittered is a time of that length, give or take a tenth.
func jittered(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5) }

// pause waits, and tells whether the context has not ended.
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

// find looks for gateways. Those that are known stay while Nomad does not answer.
func (s *peers) find(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	addresses, err := s.fleet.Discover(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && (s.found == nil || s.found.Error() != err.Error()) {
		s.gateway.log.Warn("other gateways cannot be looked for; those that are known stay", "error", err)
	}
	if s.found = err; err != nil {
		return
	}
	for _, p := range s.all {
		p.listed = false
	}
	for _, address := range addresses {
		if s.all[address] == nil {
			s.all[address] = &peer{address: address}
		}
		s.all[address].listed = true
	}
}

// round asks every gateway once, and takes over what they say.
func (s *peers) round(ctx context.Context) {
	s.mu.Lock()
	asked := slices.Collect(maps.Values(s.all))
	s.mu.Unlock()
	var group sync.WaitGroup
	for _, p := range asked {
		if !p.self {
			group.Go(func() { s.ask(ctx, p, peerTimeout) })
		}
	}
	group.Wait()
	s.merge()
}

// refresh asks those that answer for their load now: what is decided next
// concerns all.
func (s *peers) refresh(ctx context.Context) {
	if s == nil || len(s.view.Load().members) == 0 {
		return
	}
	s.mu.Lock()
	var group sync.WaitGroup
	for _, p := range s.all {
		if p.report != nil && p.err == nil {
			group.Go(func() { s.ask(ctx, p, refreshTimeout) })
		}
	}
	s.mu.Unlock()
	group.Wait()
	s.merge()
}

// ask asks one gateway. Running out of less than the time that an answer may take
// says nothing.
func (s *peers) ask(ctx context.Context, p *peer, timeout time.Duration) {
	asked := s.gateway.now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	report, err := s.fleet.Peer(ctx, p.address)
	if err != nil && (errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && timeout < peerTimeout) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.Before(p.asked) {
		return
	}
	p.asked = asked
	if err != nil {
		s.failed(p, err)
		return
	}
	p.self = report.Process == s.gateway.process
	if p.self {
		return
	}
	if p.err != nil || p.report == nil {
		s.gateway.log.Info("another gateway answers", "gateway", report.Gateway, "address", p.address)
	}
	if p.report != nil && p.report.Process != report.Process {
		s.bury(p)
	}
	delete(s.gone, report.Process)
	p.report, p.answered, p.err = &report, asked, nil
}

// failed notes that a gateway has not answered. One that refuses connections is
// gone, and so are its own with all that was on them. The same goes for one that
// Nomad does not list any more. The caller holds the mutex.
func (s *peers) failed(p *peer, err error) {
	s.gateway.metrics.peerErrors.Inc()
	if p.err == nil {
		s.gateway.log.Warn("another gateway does not answer", "address", p.address, "error", err)
	}
	p.err = err
	if refused(err) || !p.listed {
		s.bury(p)
	}
}

// refused tells an error that only an address without a process gives.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// bury leaves of a gateway what counts of one that has ended. The caller holds
// the mutex.
func (s *peers) bury(p *peer) {
	if p.report == nil {
		return
	}
	s.gone[p.report.Process] = remains{p.report.Apps, s.gateway.now()}
	p.report = nil
}

func (p *peer) state() api.PeerState {
	switch {
	case p.report != nil && p.err == nil:
		return api.PeerAnswers
	case refused(p.err):
		return api.PeerGone
	default:
		return api.PeerSilent
	}
}

// fading is the part that counts of a report of that age: all of it for the
// hold, and then less and less until nothing is left.
func fading(age, hold time.Duration) float64 {
	return min(1, max(0, float64(peerForget-age)/float64(peerForget-hold)))
}

// merge tells every app what the other gateways have.
func (s *peers) merge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.gateway.now()
	v := &view{members: make(map[string]member), gone: make(map[string]bool), complete: s.found == nil}
	totals := make(map[scaler.AppID]*elsewhere)
	of := func(app scaler.AppID) *elsewhere {
		if totals[app] == nil {
			totals[app] = new(elsewhere)
		}
		return totals[app]
	}
	var ready []member
	for address, p := range s.all {
		if p.report != nil && fading(now.Sub(p.answered), peerHold) == 0 {
			p.report = nil
		}
		switch {
		case p.self:
			continue
		case p.report == nil && !p.listed:
			delete(s.all, address)
			continue
		case p.report == nil:
			v.complete = v.complete && refused(p.err)
			continue
		}
		if _, again := v.members[p.report.Process]; again {
			continue
		}
		m := member{address: address, answers: p.err == nil, part: fading(now.Sub(p.answered), peerHold), apps: p.report.Apps}
		v.complete = v.complete && m.answers
		v.members[p.report.Process] = m
		if !p.report.Ending {
			ready = append(ready, m)
		}
		for app, l := range m.apps {
			of(app).add(l, m.part)
		}
	}
	for process, r := range s.gone {
		part := fading(now.Sub(r.at), 0)
		if part == 0 {
			delete(s.gone, process)
			continue
		}
		v.gone[process] = true
		for app, l := range r.apps {
			of(app).add(api.PeerLoad{RequestsPerMinute: l.RequestsPerMinute}, part)
		}
	}
	joined := false
	for process := range v.members {
		_, before := s.view.Load().members[process]
		joined = joined || !before
	}
	s.view.Store(v)
	for _, a := range s.gateway.apps.all() {
		arrivals := make([]float64, len(ready))
		for i, m := range ready {
			arrivals[i] = m.apps[a.id].Arrivals * m.part
		}
		a.hear(totals[a.id], arrivals, joined, now)
	}
}

// statuses is what /v1/peers answers.
func (s *peers) statuses() []api.PeerStatus {
	all := []api.PeerStatus{}
	if s == nil {
		return all
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range slices.Sorted(maps.Keys(s.all)) {
		p := s.all[address]
		if p.self {
			continue
		}
		status := api.PeerStatus{Address: address, State: p.state(), Answered: p.answered}
		if p.report != nil {
			status.Gateway = p.report.Gateway
		}
		if p.err != nil {
			status.Error = p.err.Error()
		}
		all = append(all, status)
	}
	return all
}

func (g *Gateway) servePeers(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, g.peers.statuses())
}
