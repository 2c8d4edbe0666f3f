package cluster

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// The last report of a gateway that stops answering counts in full for peerHold,
// because a pause is not a failure. Then it decays until peerForget. By then no
// request of that gateway is in the trailing minute.
const (
	peerHold   = 3 * time.Second
	peerForget = time.Minute
)

// decay is the part of a report of that age that counts, from 0 to 1: all of it
// for the hold, and then less and less.
func decay(age, hold time.Duration) float64 {
	return min(1, max(0, float64(peerForget-age)/float64(peerForget-hold)))
}

// peer is another gateway, or this one, at an address. The mutex of [peers] guards
// all but the address.
type peer struct {
	address string
	listed  bool
	self    bool
	// asked is when the gateway was asked for what follows, and answered the same
	// for the report alone.
	asked    time.Time
	answered time.Time
	report   *api.PeerReport // nil while there is none that counts
	err      error           // why it has not answered since
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

// refused reports whether an error shows that no process listens at an address.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// peers is the state of all gateways that have been discovered.
type peers struct {
	process string
	now     func() time.Time
	log     *slog.Logger
	onError func()

	mu sync.Mutex
	// discoverErr is why the newest discovery failed.
	discoverErr error
	byAddress   map[string]*peer
	// gone are the last reports of processes that have ended, by process.
	gone map[string]lastReport
}

// lastReport is what a process had before it ended.
type lastReport struct {
	apps map[scaler.AppID]api.PeerLoad
	at   time.Time
}

var errNotDiscovered = errors.New("the gateways have not been discovered yet")

func newPeers(config Config) *peers {
	return &peers{
		process: config.Process, now: config.Now, log: config.Log, onError: config.OnError,
		discoverErr: errNotDiscovered, byAddress: make(map[string]*peer), gone: make(map[string]lastReport),
	}
}

// list records the outcome of a discovery. One that failed changes no peer.
func (s *peers) list(addresses []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && (s.discoverErr == nil || s.discoverErr.Error() != err.Error()) {
		s.log.Warn("the gateways cannot be discovered; those already known are kept", "error", err)
	}
	if s.discoverErr = err; err != nil {
		return
	}
	for _, p := range s.byAddress {
		p.listed = false
	}
	for _, address := range addresses {
		if s.byAddress[address] == nil {
			s.byAddress[address] = &peer{address: address}
		}
		s.byAddress[address].listed = true
	}
}

// others returns all but this gateway.
func (s *peers) others() []*peer { return s.matching(func(p *peer) bool { return !p.self }) }

// answering returns those that answered when they were last asked.
func (s *peers) answering() []*peer {
	return s.matching(func(p *peer) bool { return p.report != nil && p.err == nil })
}

func (s *peers) matching(matches func(*peer) bool) (found []*peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.byAddress {
		if matches(p) {
			found = append(found, p)
		}
	}
	return found
}

// record stores the answer, or the error, of a gateway that was asked at that time.
// It ignores one that is older than what is stored.
func (s *peers) record(p *peer, asked time.Time, report api.PeerReport, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.Before(p.asked) {
		return
	}
	p.asked = asked
	if err != nil {
		s.recordErrorLocked(p, err)
		return
	}
	p.self = report.Process == s.process
	if p.self {
		return
	}
	if p.err != nil || p.report == nil {
		s.log.Info("another gateway answers", "gateway", report.Gateway, "address", p.address)
	}
	if p.report != nil && p.report.Process != report.Process {
		s.markGoneLocked(p)
	}
	delete(s.gone, report.Process)
	p.report, p.answered, p.err = &report, asked, nil
}

// recordErrorLocked notes that a gateway has not answered. One that refuses
// connections, or that is not listed any more, is gone with all its requests.
func (s *peers) recordErrorLocked(p *peer, err error) {
	s.onError()
	if p.err == nil {
		s.log.Warn("another gateway does not answer", "address", p.address, "error", err)
	}
	p.err = err
	if refused(err) || !p.listed {
		s.markGoneLocked(p)
	}
}

// markGoneLocked moves the report of a gateway to those of ended processes.
func (s *peers) markGoneLocked(p *peer) {
	if p.report == nil {
		return
	}
	s.gone[p.report.Process] = lastReport{p.report.Apps, s.now()}
	p.report = nil
}

// merge removes what has decayed and makes a snapshot of the rest, the next one
// after before.
func (s *peers) merge(before *Membership) *Membership {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	m := &Membership{
		members: make(map[string]member), gone: make(map[string]bool), loads: make(map[scaler.AppID]RemoteLoad),
		complete: s.discoverErr == nil,
	}
	for address, p := range s.byAddress {
		weight := decay(now.Sub(p.answered), peerHold)
		if weight == 0 {
			p.report = nil
		}
		switch {
		case p.self:
		case p.report != nil:
			m.add(p.report, member{address: address, answers: p.err == nil, weight: weight})
		case p.listed:
			m.complete = m.complete && refused(p.err)
		default:
			delete(s.byAddress, address)
		}
	}
	for process, last := range s.gone {
		if weight := decay(now.Sub(last.at), 0); weight > 0 {
			m.addGone(process, last.apps, weight)
		} else {
			delete(s.gone, process)
		}
	}
	m.joined = m.hasMoreThan(before)
	return m
}

// statuses is what /v1/peers answers.
func (s *peers) statuses() []api.PeerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []api.PeerStatus{}
	for _, address := range slices.Sorted(maps.Keys(s.byAddress)) {
		p := s.byAddress[address]
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
