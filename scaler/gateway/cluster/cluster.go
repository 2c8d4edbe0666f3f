// Package cluster knows the other gateways: which there are, what load they have,
// and how permits for requests and rate limits are divided among all of them.
package cluster

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// roundInterval is how often gateways ask each other, and peerTimeout how
	// long an answer may take.
	roundInterval = time.Second
	peerTimeout   = 800 * time.Millisecond
	// refreshTimeout bounds how long a decision waits for the newest load.
	refreshTimeout = 100 * time.Millisecond
	// discoverInterval is how often the gateways are listed, and discoverTimeout
	// how long that may take.
	discoverInterval = time.Second
	discoverTimeout  = 5 * time.Second
)

// Client finds gateways and asks them. [api.Client] is one.
type Client interface {
	// Discover lists the addresses of all gateways, this one included.
	Discover(ctx context.Context) ([]string, error)
	// Peer asks the gateway at an address for its load.
	Peer(ctx context.Context, address string) (api.PeerReport, error)
	// ExchangePermits sends this gateway's permits to the one at an address and
	// returns the permits of that one.
	ExchangePermits(ctx context.Context, address string, own api.PermitReport) (api.PermitReport, error)
}

var _ Client = (*api.Client)(nil)

// Config is what a [Cluster] needs. The zero value is that of a gateway that is
// alone.
type Config struct {
	// Client is nil for a gateway that looks for no other.
	Client Client
	// Process names this gateway's process, as in [api.PeerReport].
	Process string
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Log is nil for none.
	Log *slog.Logger

	// The functions that follow may be nil. They must return soon.

	// OnError is called when another gateway has not answered. It must not call
	// the cluster.
	OnError func()
	// OnRound is called before each round except the first, with the time since
	// the round before.
	OnRound func(elapsed time.Duration)
	// OnChange is called with each new snapshot, one at a time and in their
	// order. It must call neither Refresh nor ExchangePermits.
	OnChange func(*Membership)
}

// Cluster is the other gateways. It is safe for concurrent use.
type Cluster struct {
	config Config
	peers  *peers

	// merging is held while a snapshot is made and handed on.
	merging  sync.Mutex
	snapshot atomic.Pointer[Membership]
	// asked is closed when every gateway has been asked once.
	asked chan struct{}
}

// New returns the cluster of a gateway. Unless the gateway is alone, it knows no
// other one until [Cluster.Run].
func New(config Config) *Cluster {
	if config.Client == Client((*api.Client)(nil)) {
		config.Client = nil
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.OnError == nil {
		config.OnError = func() {}
	}
	if config.OnRound == nil {
		config.OnRound = func(time.Duration) {}
	}
	if config.OnChange == nil {
		config.OnChange = func(*Membership) {}
	}
	c := &Cluster{config: config, peers: newPeers(config), asked: make(chan struct{})}
	c.snapshot.Store(&Membership{complete: c.alone()})
	return c
}

// alone reports whether the gateway looks for no other.
func (c *Cluster) alone() bool { return c.config.Client == nil }

// Run asks the other gateways for their load until the context ends. It returns
// when all that it has started has ended. It must be called at most once.
func (c *Cluster) Run(ctx context.Context) {
	if c.alone() {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	c.discover(ctx)
	// The rounds do not wait for a discovery that takes long.
	group.Go(func() {
		for sleep(ctx, discoverInterval) {
			c.discover(ctx)
		}
	})
	c.round(ctx)
	close(c.asked)
	last := c.config.Now()
	for sleep(ctx, jitter(roundInterval)) {
		now := c.config.Now()
		c.config.OnRound(now.Sub(last))
		last = now
		c.round(ctx)
	}
}

// jitter is a duration that differs from the given one by a tenth at most.
func jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5) }

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// discover lists the gateways.
func (c *Cluster) discover(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	addresses, err := c.config.Client.Discover(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	c.peers.list(addresses, err)
}

// round asks every other gateway once.
func (c *Cluster) round(ctx context.Context) { c.ask(ctx, c.peers.others(), peerTimeout) }

// Refresh asks the gateways that answer for their newest load. It is for decisions
// that depend on the load of all gateways.
func (c *Cluster) Refresh(ctx context.Context) {
	if c.Snapshot().Size() > 0 {
		c.ask(ctx, c.peers.answering(), refreshTimeout)
	}
}

// ask asks gateways at the same time and makes a new snapshot.
func (c *Cluster) ask(ctx context.Context, all []*peer, timeout time.Duration) {
	var group sync.WaitGroup
	for _, p := range all {
		group.Go(func() { c.askOne(ctx, p, timeout) })
	}
	group.Wait()
	c.merging.Lock()
	defer c.merging.Unlock()
	m := c.peers.merge(c.Snapshot())
	c.snapshot.Store(m)
	c.config.OnChange(m)
}

func (c *Cluster) askOne(ctx context.Context, p *peer, timeout time.Duration) {
	asked := c.config.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	report, err := c.config.Client.Peer(ctx, p.address)
	// A gateway that was given less than peerTimeout has not failed to answer.
	if err != nil && (errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && timeout < peerTimeout) {
		return
	}
	c.peers.record(p, asked, report, err)
}

// Snapshot returns what is known of the other gateways now.
func (c *Cluster) Snapshot() *Membership { return c.snapshot.Load() }

// Statuses lists the other gateways by address. It is never nil.
func (c *Cluster) Statuses() []api.PeerStatus { return c.peers.statuses() }

// ExchangePermits sends a report to all gateways that answer. It returns their
// own reports, and reports whether all of them have sent one.
func (c *Cluster) ExchangePermits(ctx context.Context, own api.PermitReport) (answers []api.PermitReport, all bool) {
	if c.alone() {
		return nil, true
	}
	select {
	case <-ctx.Done():
		return nil, false
	case <-c.asked:
	}
	exchange, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	answered := make(map[string]bool)
	failed := false
	for process, address := range c.Snapshot().answering() {
		group.Go(func() {
			answer, err := c.config.Client.ExchangePermits(exchange, address, own)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = true
				c.config.OnError()
				return
			}
			answers = append(answers, answer)
			answered[process] = true
		})
	}
	group.Wait()
	if failed {
		// A gateway that has ended need not answer.
		c.Refresh(ctx)
	}
	for process := range c.Snapshot().answering() {
		if !answered[process] {
			return answers, false
		}
	}
	return answers, true
}
