package cluster_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

var shop = scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}

// busy is the report of a gateway with load.
var busy = api.PeerReport{Gateway: "other", Process: "p1", Apps: map[scaler.AppID]api.PeerLoad{
	shop: {RequestsPerMinute: 600, Concurrency: 10, Arrivals: 8, InFlight: map[string]int{"a": 6, "b": 2}},
}}

// clock is the time of a test.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(1e9, c.at.Load()) }

func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

// fakePeer is a gateway of a [fakeClient].
type fakePeer struct {
	report api.PeerReport
	err    error
	// delay is how long it takes to answer.
	delay time.Duration
	// permits is what it answers to an exchange, or why it does not.
	permits    api.PermitReport
	permitsErr error
}

// fakeClient knows gateways in memory.
type fakeClient struct {
	mu      sync.Mutex
	peers   map[string]*fakePeer // by address
	listErr error
	// unlisted are addresses that Discover leaves out.
	unlisted map[string]bool
	// sent are the reports of all exchanges.
	sent []api.PermitReport
}

// clientOf returns a client whose gateways have the addresses a, b, and so on.
func clientOf(reports ...api.PeerReport) *fakeClient {
	c := &fakeClient{peers: make(map[string]*fakePeer), unlisted: make(map[string]bool)}
	for i, r := range reports {
		c.peers[string(rune('a'+i))] = &fakePeer{report: r, permits: api.PermitReport{Process: r.Process, App: shop, Number: 1}}
	}
	return c
}

// change changes the gateway at an address.
func (c *fakeClient) change(address string, change func(p *fakePeer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.peers[address])
}

// fail makes the gateway at an address fail; nil makes it answer again.
func (c *fakeClient) fail(address string, err error) {
	c.change(address, func(p *fakePeer) { p.err, p.permitsErr = err, err })
}

// list changes what Discover leaves out, or makes it fail.
func (c *fakeClient) list(err error, unlisted ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listErr = err
	clear(c.unlisted)
	for _, address := range unlisted {
		c.unlisted[address] = true
	}
}

func (c *fakeClient) Discover(context.Context) (addresses []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address := range c.peers {
		if !c.unlisted[address] {
			addresses = append(addresses, address)
		}
	}
	return addresses, c.listErr
}

func (c *fakeClient) Peer(ctx context.Context, address string) (api.PeerReport, error) {
	c.mu.Lock()
	p := *c.peers[address]
	c.mu.Unlock()
	if p.delay > 0 {
		select {
		case <-ctx.Done():
			return api.PeerReport{}, ctx.Err()
		case <-time.After(p.delay):
		}
	}
	return p.report, p.err
}

func (c *fakeClient) ExchangePermits(_ context.Context, address string, own api.PermitReport) (api.PermitReport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, own)
	return c.peers[address].permits, c.peers[address].permitsErr
}

// tester is a *testing.T, *testing.B or *rapid.T.
type tester interface {
	Context() context.Context
	Cleanup(func())
	Errorf(format string, arguments ...any)
	Fatalf(format string, arguments ...any)
}

// start runs a cluster until the test ends. It returns after the first round.
func start(t tester, config cluster.Config) *cluster.Cluster {
	first, once, onChange := make(chan struct{}), sync.Once{}, config.OnChange
	config.OnChange = func(m *cluster.Membership) {
		if onChange != nil {
			onChange(m)
		}
		once.Do(func() { close(first) })
	}
	c := cluster.New(config)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	<-first
	return c
}

// membership is what a gateway knows after it has asked others once.
func membership(t tester, others ...api.PeerReport) *cluster.Membership {
	return start(t, cluster.Config{Client: clientOf(others...), Process: "own"}).Snapshot()
}

// fakeInstances are instances that count their requests.
type fakeInstances struct {
	limit int
	all   []*fakeInstance
}

type fakeInstance struct {
	id                 string
	inFlight, reserved int
	closed             bool
}

func instancesOf(limit int, ids ...string) *fakeInstances {
	f := &fakeInstances{limit: limit}
	for _, id := range ids {
		f.all = append(f.all, &fakeInstance{id: id})
	}
	return f
}

func (f *fakeInstances) All() iter.Seq[cluster.Instance] {
	return func(yield func(cluster.Instance) bool) {
		for _, i := range f.all {
			if !yield(cluster.Instance{ID: i.id, InFlight: i.inFlight, Open: !i.closed}) {
				return
			}
		}
	}
}

func (f *fakeInstances) Reserve(id string, permits int) {
	for _, i := range f.all {
		if i.id == id {
			i.reserved = permits
		}
	}
}

// acquire finds an instance for a request; nil when none has room.
func (f *fakeInstances) acquire() *fakeInstance {
	for _, i := range f.all {
		if i.inFlight+i.reserved < f.limit {
			i.inFlight++
			return i
		}
	}
	return nil
}

// held are the permits of an instance that are granted here or still in use.
func (f *fakeInstances) held(n int) int { return max(f.limit-f.all[n].reserved, f.all[n].inFlight) }
