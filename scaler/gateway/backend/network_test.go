package backend_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// node is a gateway as others ask it.
type node interface {
	peerReport() (api.PeerReport, error)
	answerPermits(api.PermitReport) (api.PermitReport, error)
}

// network lets gateways ask each other, each at its process for an address.
type network struct {
	mu    sync.Mutex
	nodes map[string]node
	ended map[string]bool
	// apart lets no gateway discover another.
	apart bool
}

// newNetwork returns a network of gateways that tests have made up.
func newNetwork(others map[string]node) *network {
	n := &network{nodes: make(map[string]node), ended: make(map[string]bool)}
	maps.Copy(n.nodes, others)
	return n
}

// kill ends a gateway: its address refuses connections.
func (n *network) kill(process string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended[process] = true
}

// separate lets gateways discover each other, or not.
func (n *network) separate(apart bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart = apart
}

func (n *network) at(address string) (node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended[address] {
		return nil, syscall.ECONNREFUSED
	}
	return n.nodes[address], nil
}

// link is the network as one gateway uses it.
type link struct {
	*network
	own string
}

var _ cluster.Client = link{}

func (l link) Discover(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apart {
		return []string{l.own}, nil
	}
	return slices.Sorted(maps.Keys(l.nodes)), nil
}

func (l link) Peer(_ context.Context, address string) (api.PeerReport, error) {
	one, err := l.at(address)
	if err != nil {
		return api.PeerReport{}, err
	}
	return one.peerReport()
}

func (l link) ExchangePermits(_ context.Context, address string, own api.PermitReport) (api.PermitReport, error) {
	one, err := l.at(address)
	if err != nil {
		return api.PermitReport{}, err
	}
	return one.answerPermits(own)
}

// join returns the fixture of a gateway in a network. It asks no other one yet.
func (n *network) join(t testing.TB, process string, change ...func(*backend.Config)) *fixture {
	t.Helper()
	f := newFixture(t, change...)
	f.Process = process
	f.Cluster = cluster.New(cluster.Config{
		Client: link{n, process}, Process: process, Now: f.Now, Log: f.Log, OnChange: f.observe,
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[process] = f
	return f
}

// observe tells the apps what is known of the other gateways.
func (f *fixture) observe(m *cluster.Membership) {
	for _, a := range f.apps {
		a.Observe(m)
	}
	if f.observed != nil {
		f.observed()
	}
}

// run lets a gateway discover the others and ask them every second.
func (f *fixture) run() { f.work.Go(func() { f.Cluster.Run(f.Context) }) }

// look lets a gateway discover the others and ask each of them once. From then on
// Refresh asks those that answer.
func (f *fixture) look(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.observed = cancel
	f.Cluster.Run(ctx)
}

// refresh lets gateways ask those that answer again.
func refresh(t testing.TB, all ...*fixture) {
	t.Helper()
	for _, f := range all {
		f.Cluster.Refresh(t.Context())
	}
}

func (f *fixture) peerReport() (api.PeerReport, error) {
	r := api.PeerReport{Gateway: f.Process, Process: f.Process, Ending: f.ending.Load(), Apps: make(map[scaler.AppID]api.PeerLoad)}
	for _, a := range f.apps {
		if l, idle := a.PeerLoad(); !idle {
			r.Apps[a.ID] = l
		}
	}
	return r, nil
}

func (f *fixture) answerPermits(r api.PermitReport) (api.PermitReport, error) {
	f.Clock.Observe(r.Number)
	for _, a := range f.apps {
		if a.ID == r.App {
			return a.AnswerPermits(r), nil
		}
	}
	return api.PermitReport{}, errors.New("there is no such app")
}

// stranger is a gateway that a test has made up. It holds no permits.
type stranger struct {
	mu     sync.Mutex
	report api.PeerReport
	err    error
}

func (s *stranger) peerReport() (api.PeerReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report, s.err
}

func (s *stranger) answerPermits(r api.PermitReport) (api.PermitReport, error) {
	return api.PermitReport{Process: s.report.Process, App: r.App, Number: r.Number + 1}, nil
}

// say changes what it has, or why it does not answer.
func (s *stranger) say(l api.PeerLoad, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = api.PeerReport{Gateway: "other", Process: "other", Apps: map[scaler.AppID]api.PeerLoad{webID: l}}
	s.err = err
}
