package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

var (
	errUnwell  = errors.New("it is not well")
	errRefused = fmt.Errorf("asking a gateway: %w", syscall.ECONNREFUSED)
)

// hold and forget bound when a silent gateway's report decays.
const (
	hold   = 3 * time.Second
	forget = time.Minute
)

// rounds lets the gateways be discovered and then asked at least once more.
func rounds() {
	time.Sleep(3500 * time.Millisecond)
	synctest.Wait()
}

func wantLoad(t *testing.T, when string, m *cluster.Membership, perMinute, concurrency, atA int) {
	t.Helper()
	l := m.Load(shop)
	if l.RequestsPerMinute != perMinute || l.Concurrency != concurrency || l.InFlight["a"] != atA {
		t.Errorf("%s: %d requests a minute, %d at once and %d at an instance, want %d, %d and %d",
			when, l.RequestsPerMinute, l.Concurrency, l.InFlight["a"], perMinute, concurrency, atA)
	}
}

func wantState(t *testing.T, c *cluster.Cluster, state api.PeerState, message string) {
	t.Helper()
	if s := c.Statuses(); len(s) != 1 || s[0].State != state || !strings.Contains(s[0].Error, message) {
		t.Errorf("the other gateway shows as %+v, want state %s and the error %q", s, state, message)
	}
}

// The load of a gateway that is silent counts in full for a while and then decays.
func TestSilentPeerDecays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, clock := clientOf(busy), new(clock)
		c := start(t, cluster.Config{Client: client, Process: "own", Now: clock.now})
		wantLoad(t, "with its answer", c.Snapshot(), 600, 10, 6)
		wantState(t, c, api.PeerAnswers, "")
		client.fail("a", errUnwell)
		clock.pass(hold)
		rounds()
		wantLoad(t, "silent for a moment", c.Snapshot(), 600, 10, 6)
		clock.pass((forget - hold) / 2)
		rounds()
		wantLoad(t, "silent for half the time", c.Snapshot(), 300, 5, 3)
		if got := c.Snapshot().Arrivals(shop); !cmp.Equal(got, []float64{4}) {
			t.Errorf("silent for half the time: arrivals of %v, want 4", got)
		}
		clock.pass((forget-hold)/2 - time.Second)
		rounds()
		wantLoad(t, "at the end", c.Snapshot(), 11, 1, 1)
		clock.pass(time.Second)
		rounds()
		wantLoad(t, "after a minute", c.Snapshot(), 0, 0, 0)
		if m := c.Snapshot(); !m.Load(shop).None() || m.Size() != 0 || m.Alone() || m.Complete() {
			t.Errorf("after a minute: %d members, alone %t, complete %t", m.Size(), m.Alone(), m.Complete())
		}
		wantState(t, c, api.PeerSilent, errUnwell.Error())
		client.fail("a", nil)
		rounds()
		wantLoad(t, "when it answers again", c.Snapshot(), 600, 10, 6)
		wantState(t, c, api.PeerAnswers, "")
	})
}

// A gateway that refuses connections has ended: none of its requests is at an
// instance, and its trailing minute decays.
func TestGonePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, clock := clientOf(busy), new(clock)
		c := start(t, cluster.Config{Client: client, Process: "own", Now: clock.now})
		client.fail("a", errRefused)
		rounds()
		wantLoad(t, "at once", c.Snapshot(), 600, 0, 0)
		wantState(t, c, api.PeerGone, "connection refused")
		if m := c.Snapshot(); !m.Complete() || !m.Alone() || len(m.Arrivals(shop)) != 0 {
			t.Errorf("complete %t, alone %t, arrivals %v", m.Complete(), m.Alone(), m.Arrivals(shop))
		}
		clock.pass(forget / 2)
		rounds()
		wantLoad(t, "after half a minute", c.Snapshot(), 300, 0, 0)
		clock.pass(forget / 2)
		rounds()
		wantLoad(t, "after a minute", c.Snapshot(), 0, 0, 0)
		client.fail("a", nil)
		rounds()
		client.fail("a", errRefused)
		rounds()
		client.fail("a", nil)
		rounds()
		wantLoad(t, "when it answers again at once", c.Snapshot(), 600, 10, 6)
	})
}

// A gateway that has restarted has no load, and the trailing minute of the process
// before it decays.
func TestRestartedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, clock := clientOf(busy), new(clock)
		c := start(t, cluster.Config{Client: client, Process: "own", Now: clock.now})
		client.change("a", func(p *fakePeer) {
			p.report = api.PeerReport{Gateway: "other", Process: "p2", Apps: map[scaler.AppID]api.PeerLoad{
				shop: {RequestsPerMinute: 1, Concurrency: 1},
			}}
		})
		rounds()
		wantLoad(t, "at once", c.Snapshot(), 601, 1, 0)
		clock.pass(forget / 2)
		rounds()
		wantLoad(t, "after half a minute", c.Snapshot(), 301, 1, 0)
	})
}

// One gateway under two addresses counts once, and the gateway itself not at all.
func TestPeersCountOnce(t *testing.T) {
	self := busy
	self.Process = "own"
	c := start(t, cluster.Config{Client: clientOf(busy, busy, self), Process: "own"})
	wantLoad(t, "with three addresses", c.Snapshot(), 600, 10, 6)
	if m := c.Snapshot(); m.Size() != 1 || !m.Complete() {
		t.Errorf("%d members, complete %t, want 1 and true", m.Size(), m.Complete())
	}
	if s := c.Statuses(); len(s) != 2 {
		t.Errorf("the others show as %+v, want two addresses", s)
	}
}

// A gateway that is not listed any more stays while it answers.
func TestUnlistedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(busy)
		c := start(t, cluster.Config{Client: client, Process: "own"})
		client.list(nil, "a")
		rounds()
		wantLoad(t, "while it answers", c.Snapshot(), 600, 10, 6)
		client.fail("a", errUnwell)
		rounds()
		if m := c.Snapshot(); m.Size() != 0 || !m.Alone() || m.Load(shop).Concurrency != 0 || m.Load(shop).RequestsPerMinute == 0 {
			t.Errorf("when it has failed: %d members, alone %t, load %+v", m.Size(), m.Alone(), m.Load(shop))
		}
		if s := c.Statuses(); len(s) != 0 {
			t.Errorf("it still shows as %+v", s)
		}
	})
}

// Gateways that are known stay while none can be discovered, but there may be more.
func TestDiscoveryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(busy)
		c := start(t, cluster.Config{Client: client, Process: "own"})
		client.list(errUnwell)
		rounds()
		wantLoad(t, "without a list", c.Snapshot(), 600, 10, 6)
		if c.Snapshot().Complete() {
			t.Error("the snapshot is complete without a list of gateways")
		}
		client.list(nil)
		rounds()
		if !c.Snapshot().Complete() {
			t.Error("the snapshot stays incomplete with a list of gateways")
		}
	})
	if m := cluster.New(cluster.Config{Client: clientOf()}).Snapshot(); m.Complete() || m.Alone() {
		t.Error("a gateway is alone before it has looked for others")
	}
	if m := start(t, cluster.Config{Client: clientOf()}).Snapshot(); !m.Complete() || !m.Alone() {
		t.Error("a gateway that has found no other is not alone")
	}
}

// A gateway that does not answer in time is silent. What a refresh does not wait
// for is no failure.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(busy)
		var failures atomic.Int32
		c := start(t, cluster.Config{Client: client, Process: "own", OnError: func() { failures.Add(1) }})
		client.change("a", func(p *fakePeer) { p.delay = 500 * time.Millisecond })
		before := time.Now()
		c.Refresh(t.Context())
		if took := time.Since(before); took != 100*time.Millisecond {
			t.Errorf("a refresh took %v, want 100ms", took)
		}
		rounds()
		wantState(t, c, api.PeerAnswers, "")
		if n := failures.Load(); n != 0 {
			t.Errorf("%d failures of a gateway that answers in time", n)
		}
		client.change("a", func(p *fakePeer) { p.delay = time.Hour })
		time.Sleep(time.Second)
		rounds()
		wantState(t, c, api.PeerSilent, context.DeadlineExceeded.Error())
		if failures.Load() == 0 {
			t.Error("no failure of a gateway that does not answer")
		}
	})
}

// A decision goes by what others have now, not by what they had a second ago.
func TestRefresh(t *testing.T) {
	client := clientOf(api.PeerReport{Gateway: "other", Process: "p1"})
	c := start(t, cluster.Config{Client: client, Process: "own"})
	wantLoad(t, "at first", c.Snapshot(), 0, 0, 0)
	client.change("a", func(p *fakePeer) { p.report = busy })
	c.Refresh(t.Context())
	wantLoad(t, "after a refresh", c.Snapshot(), 600, 10, 6)
}

// An answer that comes late does not replace that to a later question.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(api.PeerReport{Gateway: "other", Process: "p1"})
		c := start(t, cluster.Config{Client: client, Process: "own"})
		client.change("a", func(p *fakePeer) { p.delay = 50 * time.Millisecond })
		go c.Refresh(t.Context())
		time.Sleep(time.Millisecond)
		client.change("a", func(p *fakePeer) { p.delay, p.report = 0, busy })
		c.Refresh(t.Context())
		wantLoad(t, "at once", c.Snapshot(), 600, 10, 6)
		time.Sleep(100 * time.Millisecond)
		wantLoad(t, "after the late answer", c.Snapshot(), 600, 10, 6)
	})
}

// Every snapshot is handed on, and every round but the first is announced.
func TestCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var snapshots []*cluster.Membership
		var elapsed time.Duration
		rounds := 0
		client := clientOf(busy)
		began := time.Now()
		c := start(t, cluster.Config{
			Client: client, Process: "own",
			OnChange: func(m *cluster.Membership) { snapshots = append(snapshots, m) },
			OnRound: func(d time.Duration) {
				rounds++
				if elapsed += d; time.Since(began) != elapsed {
					t.Errorf("round %d: %v have passed, want %v", rounds, elapsed, time.Since(began))
				}
				if len(snapshots) != rounds {
					t.Errorf("round %d is announced after %d snapshots", rounds, len(snapshots))
				}
			},
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if rounds < 9 || rounds > 11 || len(snapshots) != rounds+1 {
			t.Errorf("in 10 seconds there were %d more rounds and %d snapshots, want 10 and one more", rounds, len(snapshots))
		}
		for n, m := range snapshots {
			if m.Joined() != (n == 0) {
				t.Errorf("snapshot %d: a gateway has joined: %t", n, m.Joined())
			}
		}
		client.change("a", func(p *fakePeer) { p.report.Process = "p2" })
		c.Refresh(t.Context())
		if m := c.Snapshot(); !m.Joined() || m != snapshots[len(snapshots)-1] {
			t.Error("a process that has joined is not handed on")
		}
	})
}

// Run ends with its context, whatever it waits for.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(busy)
		client.change("a", func(p *fakePeer) { p.delay = time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		c := cluster.New(cluster.Config{Client: client, Process: "own"})
		ended := false
		go func() { c.Run(ctx); ended = true }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("it still runs")
		}
	})
}

// A gateway that looks for no other can use its cluster like any other.
func TestAlone(t *testing.T) {
	for name, client := range map[string]cluster.Client{"no client": nil, "a nil client": (*api.Client)(nil)} {
		t.Run(name, func(t *testing.T) {
			c := cluster.New(cluster.Config{Client: client, Process: "own"})
			c.Run(t.Context())
			c.Refresh(t.Context())
			if answers, all := c.ExchangePermits(t.Context(), api.PermitReport{}); answers != nil || !all {
				t.Errorf("an exchange: %v, %t; want none, and all have answered", answers, all)
			}
			if s := c.Statuses(); s == nil || len(s) != 0 {
				t.Errorf("the others show as %#v, want an empty list", s)
			}
			m := c.Snapshot()
			if !m.Alone() || !m.Complete() || m.Joined() || m.Size() != 0 || !m.Drained(shop, "a") || m.ScaleOrder(shop, "own") != 0 ||
				!m.Load(shop).None() || len(m.Arrivals(shop)) != 0 {
				t.Errorf("it is not alone: %+v", m)
			}
		})
	}
}

// An exchange waits until the gateways have been asked once.
func TestExchangeWaitsForTheFirstRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientOf(busy)
		client.change("a", func(p *fakePeer) { p.delay = 300 * time.Millisecond })
		c := cluster.New(cluster.Config{Client: client, Process: "own"})
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, all := c.ExchangePermits(cancelled, api.PermitReport{}); all {
			t.Error("all have answered an exchange that did not take place")
		}
		go c.Run(t.Context())
		own := api.PermitReport{Process: "own", App: shop, Number: 7}
		answers, all := c.ExchangePermits(t.Context(), own)
		if len(answers) != 1 || answers[0].Process != "p1" || !all {
			t.Errorf("got %+v, %t; want the answer of p1, and all", answers, all)
		}
		if !cmp.Equal(client.sent, []api.PermitReport{own}) {
			t.Errorf("sent %+v, want %+v once", client.sent, own)
		}
	})
}

// A permit is claimed only when every gateway that lives has answered.
func TestExchangeNeedsAllThatAnswer(t *testing.T) {
	other := busy
	other.Process = "p2"
	client := clientOf(busy, other)
	var failures atomic.Int32
	c := start(t, cluster.Config{Client: client, Process: "own", OnError: func() { failures.Add(1) }})
	exchange := func() (int, bool) {
		answers, all := c.ExchangePermits(t.Context(), api.PermitReport{Process: "own", App: shop})
		return len(answers), all
	}
	if n, all := exchange(); n != 2 || !all {
		t.Errorf("%d answers (all: %t), want 2 (all)", n, all)
	}
	client.change("b", func(p *fakePeer) { p.permitsErr = errUnwell })
	if n, all := exchange(); n != 1 || all {
		t.Errorf("with one that answers otherwise: %d answers (all: %t), want 1 (not all)", n, all)
	}
	if failures.Load() != 1 {
		t.Errorf("%d failures, want 1", failures.Load())
	}
	client.fail("b", errRefused)
	if n, all := exchange(); n != 1 || !all {
		t.Errorf("with one that has ended: %d answers (all: %t), want 1 (all)", n, all)
	}
}
