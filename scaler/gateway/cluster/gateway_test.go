package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// gateway uses a cluster as a gateway with one app does.
type gateway struct {
	process string
	clock   cluster.LamportClock
	cluster *cluster.Cluster
	// claiming is held during an exchange: there is one at a time.
	claiming sync.Mutex

	mu        sync.Mutex
	instances *fakeInstances
	permits   *cluster.Permits
	waiting   int
}

func newGateway(process string, limit int, ids []string, alone bool) *gateway {
	g := &gateway{process: process, instances: instancesOf(limit, ids...)}
	g.permits = permitsOf(process, &g.clock, g.instances, alone)
	return g
}

func (g *gateway) start(t tester, client cluster.Client) {
	g.cluster = start(t, cluster.Config{Client: client, Process: g.process, OnChange: g.change})
}

// change takes over a snapshot.
func (g *gateway) change(m *cluster.Membership) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.Joined() {
		g.permits.ReleaseIdle()
	}
	for _, i := range g.instances.all {
		if i.inFlight+m.Load(shop).InFlight[i.id] > g.permits.Limit() {
			g.permits.SetOverlap()
		}
	}
}

// report is what others are told of the load.
func (g *gateway) report() api.PeerReport {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := api.PeerLoad{InFlight: make(map[string]int)}
	for _, i := range g.instances.all {
		l.InFlight[i.id] = i.inFlight
	}
	return api.PeerReport{Gateway: "the " + g.process, Process: g.process, Apps: map[scaler.AppID]api.PeerLoad{shop: l}}
}

// answer is what another gateway is answered in an exchange.
func (g *gateway) answer(r api.PermitReport) api.PermitReport {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.permits.Observe(r, now)
	g.permits.Yield(r, g.waiting, g.cluster.Snapshot(), now)
	return g.permits.Report()
}

// claim asks the others for permits once, if there is a reason.
func (g *gateway) claim(ctx context.Context) {
	g.claiming.Lock()
	defer g.claiming.Unlock()
	g.mu.Lock()
	needed := g.permits.Request(g.waiting)
	own := g.permits.Report()
	g.mu.Unlock()
	if !needed {
		return
	}
	answers, all := g.cluster.ExchangePermits(ctx, own)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range answers {
		g.permits.Observe(r, time.Now())
	}
	if all {
		g.permits.Claim(g.cluster.Snapshot(), time.Now())
	}
}

// acquire waits for an instance with room.
func (g *gateway) acquire(ctx context.Context) *fakeInstance {
	i := g.tryAcquire()
	for i == nil && ctx.Err() == nil {
		g.wait(1)
		g.claim(ctx)
		i = g.tryAcquire()
		g.wait(-1)
		if i == nil {
			time.Sleep(time.Millisecond)
		}
	}
	return i
}

func (g *gateway) tryAcquire() *fakeInstance {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.instances.acquire()
}

// wait changes the number of requests that wait.
func (g *gateway) wait(by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += by
}

func (g *gateway) release(i *fakeInstance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i.inFlight--
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/peer":
		answer = g.report()
	case "POST /v1/peer/permits":
		var report api.PermitReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer = g.answer(report)
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// serving starts gateways that know each other by HTTP.
func serving(t testing.TB, n, limit int, ids ...string) (all []*gateway, servers []*httptest.Server) {
	t.Helper()
	client := new(api.Client)
	for i := range n {
		g := newGateway(fmt.Sprintf("gateway-%d", i), limit, ids, false)
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		all, servers, client.Addresses = append(all, g), append(servers, server), append(client.Addresses, server.URL)
	}
	for _, g := range all {
		g.start(t, client)
		if size := g.cluster.Snapshot().Size(); size != n-1 || !g.cluster.Snapshot().Complete() {
			t.Fatalf("%s knows %d others, want %d", g.process, size, n-1)
		}
	}
	return all, servers
}

// rush sends requests to gateways at once, and counts those at each instance.
type rush struct {
	mu       sync.Mutex
	at, most map[string]int
}

func newRush() *rush { return &rush{at: make(map[string]int), most: make(map[string]int)} }

func (r *rush) send(t *testing.T, g *gateway, n int, take time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			i := g.acquire(ctx)
			if i == nil {
				t.Errorf("%s: a request waited in vain", g.process)
				return
			}
			r.mu.Lock()
			r.at[i.id]++
			r.most[i.id] = max(r.most[i.id], r.at[i.id])
			r.mu.Unlock()
			time.Sleep(take)
			r.mu.Lock()
			r.at[i.id]--
			r.mu.Unlock()
			g.release(i)
		})
	}
	group.Wait()
}

// With gateways under load that know each other, no instance has more requests than
// the cap at any moment, all of the cap is used, and no gateway starves.
func TestCapIsOverAllGateways(t *testing.T) {
	for _, test := range []struct{ gateways, instances, limit int }{{2, 1, 1}, {2, 3, 4}, {3, 2, 2}, {3, 1, 10}} {
		t.Run(fmt.Sprintf("%d gateways, %d instances of %d", test.gateways, test.instances, test.limit), func(t *testing.T) {
			all, _ := serving(t, test.gateways, test.limit, []string{"a", "b", "c"}[:test.instances]...)
			r := newRush()
			r.send(t, all[0], test.instances*test.limit, 100*time.Millisecond)
			for id, n := range r.most {
				if n != test.limit {
					t.Errorf("for one gateway alone %s had %d requests at once, want %d", id, n, test.limit)
				}
			}
			var group sync.WaitGroup
			for _, g := range all {
				group.Go(func() { r.send(t, g, 60, 10*time.Millisecond) })
			}
			group.Wait()
			for id, n := range r.most {
				if n > test.limit {
					t.Errorf("%s had %d requests at once, want at most %d", id, n, test.limit)
				}
			}
		})
	}
}

// A gateway whose server has ended is gone for the others, and its permits are
// free.
func TestGatewayEnds(t *testing.T) {
	all, servers := serving(t, 2, 2, "a")
	for range 2 {
		if all[1].acquire(t.Context()) == nil {
			t.Fatal("a request waited in vain")
		}
	}
	servers[1].Close()
	all[0].cluster.Refresh(t.Context())
	if s := all[0].cluster.Statuses(); len(s) != 1 || s[0].State != api.PeerGone || s[0].Address != servers[1].URL || s[0].Answered.IsZero() {
		t.Errorf("it shows as %+v", s)
	}
	newRush().send(t, all[0], 2, time.Millisecond)
}

// near is a client of gateways in memory.
type near struct {
	mu  sync.Mutex
	all map[string]*gateway // by address
}

// add makes gateways known.
func (n *near) add(all ...*gateway) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range all {
		n.all[g.process] = g
	}
}

func (n *near) at(address string) *gateway {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[address]
}

func (n *near) Discover(context.Context) (addresses []string, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for address := range n.all {
		addresses = append(addresses, address)
	}
	return addresses, nil
}

func (n *near) Peer(_ context.Context, address string) (api.PeerReport, error) {
	return n.at(address).report(), nil
}

func (n *near) ExchangePermits(_ context.Context, address string, own api.PermitReport) (api.PermitReport, error) {
	return n.at(address).answer(own), nil
}

// Gateways that were each alone, and have filled an instance to its cap each, get
// down to the cap together when they have met.
func TestCapOfGatewaysThatMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 5
		var all []*gateway
		var clients []*near
		for i := range 2 {
			g, client := newGateway(fmt.Sprintf("gateway-%d", i), limit, []string{"a"}, true), &near{all: make(map[string]*gateway)}
			client.add(g)
			g.start(t, client)
			if !g.cluster.Snapshot().Alone() {
				t.Fatal("a gateway that finds only itself is not alone")
			}
			all, clients = append(all, g), append(clients, client)
		}
		requests := make([][]*fakeInstance, len(all))
		for i, g := range all {
			for range limit {
				requests[i] = append(requests[i], g.acquire(t.Context()))
			}
		}
		for _, client := range clients {
			client.add(all...)
		}
		rounds()
		for i, g := range all {
			g.mu.Lock()
			overlap := g.permits.Overlap()
			g.mu.Unlock()
			if !overlap {
				t.Errorf("%s does not know that the instance has too many requests", g.process)
			}
			g.claim(t.Context())
			for _, request := range requests[i] {
				g.release(request)
			}
		}
		held := 0
		for _, g := range all {
			held += g.instances.held(0)
		}
		if held > limit {
			t.Errorf("%d permits are held, want at most %d", held, limit)
		}
		r := newRush()
		var group sync.WaitGroup
		for _, g := range all {
			group.Go(func() { r.send(t, g, 20, 5*time.Millisecond) })
		}
		group.Wait()
		if r.most["a"] != limit {
			t.Errorf("the instance had %d requests at once, want %d", r.most["a"], limit)
		}
	})
}

// A permit that changes hands with every request.
func BenchmarkPermitChangesHands(b *testing.B) {
	all, _ := serving(b, 2, 1, "a")
	n := 0
	for b.Loop() {
		g := all[n%len(all)]
		g.release(g.acquire(b.Context()))
		n++
	}
}
