package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// clock is the time of a test.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(1e9, c.at.Load()) }

func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

// together returns gateways that know each other. Each answers the others until
// it is killed, and asks them when it is told to.
func together(t testing.TB, n int, change ...func(*Config)) (all []*Gateway, kill func(*Gateway)) {
	t.Helper()
	all, servers := make([]*Gateway, n), make(map[*Gateway]*http.Server)
	var addresses []string
	for i := range all {
		all[i] = newGateway(t, append(change, func(c *Config) {
			c.ID, c.AdminToken, c.Peers = fmt.Sprintf("gateway-%d", i), "secret", &api.Client{Token: "secret"}
		})...)
		addresses = append(addresses, "http://"+all[i].AdminAddress())
	}
	for _, g := range all {
		g.config.Peers.Addresses = addresses
		server := &http.Server{Handler: g.adminHandler()}
		servers[g] = server
		g.work.Go(func() { _ = server.Serve(g.adminListener) })
		t.Cleanup(func() { _ = server.Close() })
	}
	meet(t, all...)
	for _, g := range all {
		close(g.peers.looked)
	}
	return all, func(g *Gateway) { _ = servers[g].Close() }
}

// meet lets each gateway ask the others.
func meet(t testing.TB, all ...*Gateway) {
	t.Helper()
	for range 2 {
		for _, g := range all {
			g.peers.find(t.Context())
			g.peers.round(t.Context())
		}
	}
}

// speaker is another gateway of a test's making.
type speaker struct {
	*httptest.Server
	// report is what it says; nil makes it fail.
	report atomic.Pointer[api.PeerReport]
}

func speaking(t testing.TB, r api.PeerReport) *speaker {
	t.Helper()
	s := new(speaker)
	s.report.Store(&r)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		report := s.report.Load()
		if report == nil {
			http.Error(w, "it is not well", http.StatusInternalServerError)
			return
		}
		writeJSON(w, report)
	}))
	t.Cleanup(s.Close)
	return s
}

// beside returns a gateway that has those others, and its clock.
func beside(t testing.TB, others ...*speaker) (*Gateway, *clock) {
	t.Helper()
	c := new(clock)
	g := newGateway(t, func(config *Config) {
		config.Now, config.Peers = c.now, new(api.Client)
		for _, other := range others {
			config.Peers.Addresses = append(config.Peers.Addresses, other.URL)
		}
	})
	g.declare(declared(t, appName, scaler.Document{"metric": "concurrency"}))
	return g, c
}

func (g *Gateway) ask(t testing.TB) elsewhere {
	t.Helper()
	g.peers.find(t.Context())
	g.peers.round(t.Context())
	a := g.apps.find(appName)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.elsewhere
}

var busy = api.PeerReport{Gateway: "other", Process: "p1", Apps: map[scaler.AppID]api.PeerLoad{
	appID: {RequestsPerMinute: 600, Concurrency: 10, InFlight: map[string]int{"a": 6, "b": 2}},
}}

func want(t testing.TB, when string, e elsewhere, perMinute, concurrency, atA int) {
	t.Helper()
	if e.requestsPerMinute != perMinute || e.concurrency != concurrency || e.inFlight["a"] != atA {
		t.Errorf("%s: %d requests a minute, %d at once and %d at an instance, want %d, %d and %d",
			when, e.requestsPerMinute, e.concurrency, e.inFlight["a"], perMinute, concurrency, atA)
	}
}

// The load of a gateway that is silent stays and then fades.
func TestPeerThatIsSilentFades(t *testing.T) {
	other := speaking(t, busy)
	g, clock := beside(t, other)
	want(t, "with its answer", g.ask(t), 600, 10, 6)
	other.report.Store(nil)
	clock.pass(peerHold)
	want(t, "silent for a moment", g.ask(t), 600, 10, 6)
	clock.pass((peerForget - peerHold) / 2)
	want(t, "silent for half the time", g.ask(t), 300, 5, 3)
	clock.pass((peerForget-peerHold)/2 - time.Second)
	want(t, "at the end", g.ask(t), 11, 1, 1)
	clock.pass(time.Second)
	want(t, "after a minute", g.ask(t), 0, 0, 0)
	if s := g.peers.statuses(); len(s) != 1 || s[0].State != api.PeerSilent || !strings.Contains(s[0].Error, "it is not well") {
		t.Errorf("it shows as %+v", s)
	}
	other.report.Store(&busy)
	want(t, "when it answers again", g.ask(t), 600, 10, 6)
}

// A gateway that refuses connections has ended: nothing of it is at instances any
// more, and its trailing minute fades.
func TestPeerThatIsGone(t *testing.T) {
	other := speaking(t, busy)
	g, clock := beside(t, other)
	g.ask(t)
	other.Close()
	want(t, "at once", g.ask(t), 600, 0, 0)
	if s := g.peers.statuses(); len(s) != 1 || s[0].State != api.PeerGone {
		t.Errorf("it shows as %+v", s)
	}
	clock.pass(peerForget / 2)
	want(t, "after half a minute", g.ask(t), 300, 0, 0)
	clock.pass(peerForget / 2)
	want(t, "after a minute", g.ask(t), 0, 0, 0)
}

// A gateway that was started anew has nothing, and the trailing minute of the one
// before it fades.
func TestPeerThatStartsAnew(t *testing.T) {
	other := speaking(t, busy)
	g, clock := beside(t, other)
	g.ask(t)
	anew := busy
	anew.Process = "p2"
	anew.Apps = map[scaler.AppID]api.PeerLoad{appID: {RequestsPerMinute: 1, Concurrency: 1}}
	other.report.Store(&anew)
	want(t, "at once", g.ask(t), 601, 1, 0)
	clock.pass(peerForget / 2)
	want(t, "after half a minute", g.ask(t), 301, 1, 0)
}

// One gateway under two addresses counts once, and the gateway itself not at all.
func TestPeersCountOnce(t *testing.T) {
	one, two := speaking(t, busy), speaking(t, busy)
	g, _ := beside(t, one, two)
	self := busy
	self.Process = g.process
	three := speaking(t, self)
	g.config.Peers.Addresses = append(g.config.Peers.Addresses, three.URL)
	want(t, "with three addresses", g.ask(t), 600, 10, 6)
	if s := g.peers.statuses(); len(s) != 2 {
		t.Errorf("the others show as %+v, want two addresses", s)
	}
}

// What a gateway decides by is the load of all, and what it reports its own.
func TestDecisionsAreByTheLoadOfAll(t *testing.T) {
	g, clock := beside(t, speaking(t, busy))
	g.ask(t)
	a := g.apps.find(appName)
	a.meter.Begin(clock.now())
	if load := a.demand(clock.now()); load != 11 {
		t.Errorf("it decides by a load of %v, want 11", load)
	}
	if load := a.status(clock.now(), nil).Load; load == nil || *load != 1 {
		t.Errorf("it reports a load of %v, want 1", load)
	}
	if s := a.meter.Snapshot(clock.now()); s.Concurrency != 1 {
		t.Errorf("its snapshot has %d at once, want 1", s.Concurrency)
	}
}

// The first request at a gateway scales for those that wait at the others, too.
func TestGatewaysScaleForAll(t *testing.T) {
	other := speaking(t, api.PeerReport{Gateway: "other", Process: "p1"})
	g, _ := beside(t, other)
	f := new(fakeNomad)
	g.config.Nomad = f
	g.declare(declared(t, appName, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "2", "min_instances": "0"}))
	g.ask(t)
	// What comes there now is not known here before it is asked for.
	other.report.Store(&busy)
	a := g.apps.find(appName)
	a.meter.Begin(g.now())
	a.mu.Lock()
	a.want(g.now())
	a.mu.Unlock()
	eventually(t, "it is scaled", func() bool { scaled, _, _ := f.calls(); return len(scaled) > 0 })
	if scaled, _, _ := f.calls(); scaled[0] != 6 {
		t.Errorf("for 1 request here and 10 there it was scaled to %d, want 6", scaled[0])
	}
}

func TestMinLoadIsOverAllGateways(t *testing.T) {
	for _, mode := range []string{"min_load", "power_of_two"} {
		g, _ := beside(t, speaking(t, busy))
		g.declare(declared(t, appName, scaler.Document{"metric": "concurrency", "service_selection_mode": mode}))
		a := g.apps.find(appName)
		a.addReady("a", 0) // has 6 elsewhere
		a.addReady("b", 1) // has 2
		g.ask(t)
		got := map[string]int{}
		for range 4 {
			c := g.callFor(appName)
			if err := a.take(c, ""); err != nil {
				t.Fatal(err)
			}
			got[c.place.id()]++
		}
		if got["b"] != 4 {
			t.Errorf("%s: the requests went to %v, want all to b", mode, got)
		}
	}
}

// limited sends requests to gateways, so many a second to each, for some seconds,
// and returns how many were let in, second by second.
func limited(t *testing.T, c *clock, all []*Gateway, perSecond []int, seconds int) (let []int, at []int) {
	t.Helper()
	let, at = make([]int, seconds), make([]int, len(all))
	const ticks = 100
	for s := range seconds {
		for tick := range ticks {
			c.pass(time.Second / ticks)
			for i, g := range all {
				h := g.limit(func(http.ResponseWriter, *http.Request, *call) error { let[s]++; at[i]++; return nil })
				for range perSecond[i]*(tick+1)/ticks - perSecond[i]*tick/ticks {
					_ = serve(h, g.callFor(appName))
				}
			}
		}
		for _, g := range all {
			g.apps.find(appName).countArrivals(time.Second)
		}
		for _, g := range all {
			g.peers.round(t.Context())
		}
	}
	return let, at
}

// However the requests are spread over gateways, all together let in what one
// would.
func TestRateLimitIsOverAllGateways(t *testing.T) {
	for _, test := range []struct {
		name      string
		perSecond []int
		// within is how far the sum may be off.
		within float64
	}{
		{"even", []int{200, 200}, .01},
		{"skewed", []int{380, 20}, .01},
		{"one alone", []int{400, 0}, .03},
		{"one nearly alone", []int{400, 1, 1}, .05},
		{"three", []int{100, 200, 300}, .01},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := new(clock)
			all, _ := together(t, len(test.perSecond), func(config *Config) { config.Now = c.now })
			for _, g := range all {
				g.declare(declared(t, appName, scaler.Document{"rate_limit": "100", "rate_limit_burst": "100"}))
			}
			meet(t, all...)
			settling, _ := limited(t, c, all, test.perSecond, 5)
			burst := 0
			for _, n := range settling {
				burst += n - 100
			}
			if burst > 100+len(all) {
				t.Errorf("%v were let in at first, which is %d more than the limit; the burst is 100", settling, burst)
			}
			steady, at := limited(t, c, all, test.perSecond, 10)
			sum := 0
			for _, n := range steady {
				sum += n
			}
			if got := float64(sum) / 1000; math.Abs(got-1) > test.within {
				t.Errorf("%.1f%% of the limit were let in, want 100%% give or take %.0f%%", 100*got, 100*test.within)
			}
			for i, n := range at {
				if test.perSecond[i] > 0 && n == 0 {
					t.Errorf("gateway %d let in none of %d a second", i, test.perSecond[i])
				}
			}
		})
	}
}

// When one gateway has ended, the other has the whole limit after it has asked
// once.
func TestRateLimitOfTheGatewayThatIsLeft(t *testing.T) {
	c := new(clock)
	all, kill := together(t, 2, func(config *Config) { config.Now = c.now })
	for _, g := range all {
		g.declare(declared(t, appName, scaler.Document{"rate_limit": "100", "rate_limit_burst": "10"}))
	}
	limited(t, c, all, []int{200, 200}, 5)
	kill(all[1])
	all[0].peers.round(t.Context())
	let, _ := limited(t, c, all[:1], []int{400}, 3)
	for _, n := range let {
		if n < 95 || n > 111 {
			t.Errorf("%v were let in a second, want 100", let)
		}
	}
}

// A gateway that ends takes no requests, so the others have its share.
func TestRateLimitOfAGatewayThatEnds(t *testing.T) {
	all, _ := together(t, 2)
	for _, g := range all {
		g.declare(declared(t, appName, scaler.Document{"rate_limit": "100"}))
	}
	meet(t, all...)
	a := all[0].apps.find(appName)
	if a.share != .5 {
		t.Errorf("of two it has a share of %v, want half", a.share)
	}
	all[1].ending.Store(true)
	meet(t, all...)
	if a.share != 1 {
		t.Errorf("beside one that ends it has a share of %v, want all", a.share)
	}
}

// rush sends requests to gateways at once, and counts those that are at each
// instance.
type rush struct {
	mu       sync.Mutex
	at, most map[string]int
	served   map[*Gateway]int
}

func (r *rush) send(t *testing.T, g *Gateway, n int, take time.Duration) {
	t.Helper()
	chain := g.count(g.hold(g.selection(func(_ http.ResponseWriter, _ *http.Request, c *call) error {
		r.mu.Lock()
		id := c.place.id()
		r.at[id]++
		r.most[id] = max(r.most[id], r.at[id])
		r.mu.Unlock()
		time.Sleep(take)
		r.mu.Lock()
		r.at[id]--
		r.served[g]++
		r.mu.Unlock()
		return nil
	})))
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			if err := serve(chain, g.callFor(appName)); err != nil {
				t.Errorf("a request failed: %v", err)
			}
		})
	}
	group.Wait()
}

// With gateways under load that know each other, no instance has more requests
// than the cap at any moment, all of the cap is used, and nobody starves.
func TestCapIsOverAllGateways(t *testing.T) {
	for _, test := range []struct{ gateways, instances, limit int }{{2, 1, 1}, {2, 3, 4}, {3, 2, 2}, {3, 1, 10}} {
		t.Run(fmt.Sprintf("%d gateways, %d instances of %d", test.gateways, test.instances, test.limit), func(t *testing.T) {
			all, _ := together(t, test.gateways)
			for _, g := range all {
				g.declare(declared(t, appName, scaler.Document{"max_concurrency_per_instance": fmt.Sprint(test.limit), "max_instances": fmt.Sprint(test.instances)}))
				for i := range test.instances {
					g.apps.find(appName).addReady(string(rune('a'+i)), i)
				}
			}
			r := &rush{at: map[string]int{}, most: map[string]int{}, served: map[*Gateway]int{}}
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

// Gateways that were each alone, and have filled an instance to its cap each, get
// down to the cap together when they have met.
func TestCapOfGatewaysThatMeet(t *testing.T) {
	const limit = 5
	all, _ := together(t, 2)
	both := all[0].config.Peers.Addresses
	for i, g := range all {
		g.config.Peers.Addresses = both[i : i+1]
		meet(t, g)
		g.peers.mu.Lock()
		clear(g.peers.all)
		g.peers.mu.Unlock()
		meet(t, g)
		g.declare(declared(t, appName, scaler.Document{"max_concurrency_per_instance": fmt.Sprint(limit), "max_instances": "1"}))
		g.apps.find(appName).addReady("a", 0)
	}
	var places [2][]place
	for i, g := range all {
		for range limit {
			c := g.callFor(appName)
			if err := g.apps.find(appName).take(c, ""); err != nil {
				t.Fatalf("alone: %v", err)
			}
			places[i] = append(places[i], c.place)
		}
		g.config.Peers.Addresses = both
	}
	held := func() (n int) {
		for _, g := range all {
			a := g.apps.find(appName)
			a.mu.Lock()
			n += a.slots.held(a.pool.Get("a"))
			a.mu.Unlock()
		}
		return n
	}
	meet(t, all...)
	for i, g := range all {
		for _, p := range places[i] {
			g.apps.find(appName).release(p, nil)
		}
	}
	eventually(t, "no slot is held twice", func() bool { return held() <= limit })
	r := &rush{at: map[string]int{}, most: map[string]int{}, served: map[*Gateway]int{}}
	var group sync.WaitGroup
	for _, g := range all {
		group.Go(func() { r.send(t, g, 20, 5*time.Millisecond) })
	}
	group.Wait()
	if r.most["a"] > limit {
		t.Errorf("an instance had %d requests at once, want at most %d", r.most["a"], limit)
	}
}

// A slot that changes hands with every request.
func BenchmarkSlotChangesHands(b *testing.B) {
	all, _ := together(b, 2)
	chains := make([]handler, len(all))
	for i, g := range all {
		g.declare(declared(b, appName, scaler.Document{"max_concurrency_per_instance": "1", "max_instances": "1"}))
		g.apps.find(appName).addReady("a", 0)
		chains[i] = g.count(g.hold(g.selection(func(http.ResponseWriter, *http.Request, *call) error { return nil })))
	}
	for n := range b.N {
		i := n % len(all)
		if err := serve(chains[i], all[i].callFor(appName)); err != nil {
			b.Fatal(err)
		}
	}
}

// The delay of a stopping instance is ended when no gateway has a request there,
// and not while that is not known.
func TestDelaysEndWhenAllAreDone(t *testing.T) {
	f := new(fakeNomad)
	all, _ := together(t, 2, with(f), func(c *Config) { c.EndDelays = true })
	places := make([]place, 2)
	for i, g := range all {
		g.declare(declared(t, appName, nil))
		a := g.apps.find(appName)
		a.addReady("a", 0)
		c := g.callFor(appName)
		if err := a.take(c, ""); err != nil {
			t.Fatal(err)
		}
		places[i] = c.place
	}
	ended := func() int { _, _, ended := f.calls(); return len(ended) }
	stop := func(g *Gateway) {
		n := allocation(appName, "a", 0, "instance-a")
		n.Stopping, n.ModifyIndex = true, 2
		g.apps.Update(n)
	}
	meet(t, all...)
	stop(all[0])
	all[0].apps.find(appName).release(places[0], nil)
	meet(t, all...)
	if ended() != 0 {
		t.Error("it was ended while the other gateway had a request there")
	}
	all[1].apps.find(appName).release(places[1], nil)
	meet(t, all...)
	if ended() != 0 {
		t.Error("it was ended while the other gateway might have sent another request there")
	}
	stop(all[1])
	meet(t, all...)
	eventually(t, "it is ended", func() bool { return ended() > 0 })
}

func TestDelaysStayWhileAGatewayIsSilent(t *testing.T) {
	f := new(fakeNomad)
	drained := api.PeerReport{Gateway: "other", Process: "p1", Apps: map[scaler.AppID]api.PeerLoad{appID: {Drained: []string{"a"}}}}
	other := speaking(t, drained)
	g, _ := beside(t, other)
	g.config.EndDelays, g.config.Nomad = true, f
	g.apps.find(appName).addReady("a", 0)
	n := allocation(appName, "a", 0, "instance-a")
	n.Stopping, n.ModifyIndex = true, 2
	ended := func() int { _, _, ended := f.calls(); return len(ended) }

	other.report.Store(nil)
	g.ask(t)
	g.apps.Update(n)
	g.ask(t)
	if ended() != 0 {
		t.Error("it was ended beside a gateway that has never answered")
	}
	other.report.Store(&drained)
	g.ask(t)
	eventually(t, "it is ended", func() bool { return ended() == 1 })
	g.ask(t)
	if ended() != 1 {
		t.Error("it was ended twice")
	}
}

func TestPeersAreShown(t *testing.T) {
	all, _ := together(t, 2)
	get := func(path string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+all[0].AdminAddress()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer secret")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return body(t, response)
	}
	var shown []api.PeerStatus
	if err := json.Unmarshal([]byte(get("/v1/peers")), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown) != 1 || shown[0].Gateway != "gateway-1" || shown[0].State != api.PeerAnswers || shown[0].Answered.IsZero() ||
		shown[0].Address != "http://"+all[1].AdminAddress() || shown[0].Error != "" {
		t.Errorf("the others show as %+v", shown)
	}
	metrics := get("/metrics")
	for _, want := range []string{
		`nomadscale_gateway_peers{state="answers"} 1`, `nomadscale_gateway_peers{state="gone"} 0`, "nomadscale_gateway_peer_errors_total 0",
	} {
		if !slices.Contains(strings.Split(metrics, "\n"), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// Whatever another gateway says, nothing breaks, and its load is never below
// none.
func FuzzPeer(f *testing.F) {
	for _, seed := range []any{busy, api.PermitReport{Process: "p1", App: appID, Number: 1, Granted: map[string]int{"a": 1}, Requested: map[string]int{"a": 3}}} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"process":"p","number":-1,"granted":{"a":99999},"requested":{"a":1073741824,"x":1}}`))
	g := newGateway(f, func(c *Config) { c.Peers = &api.Client{Addresses: []string{"http://127.0.0.1:1"}} })
	const limit = 4
	g.declare(declared(f, appName, scaler.Document{"max_concurrency_per_instance": fmt.Sprint(limit), "rate_limit": "10"}))
	a := g.apps.find(appName)
	a.addReady("a", 0)
	f.Fuzz(func(t *testing.T, text []byte) {
		var report api.PeerReport
		if err := json.Unmarshal(text, &report); err == nil {
			now := g.now()
			g.peers.mu.Lock()
			g.peers.all = map[string]*peer{"x": {address: "x", listed: true, report: &report, answered: now}}
			g.peers.mu.Unlock()
			g.peers.merge()
			e := a.elsewhere
			if e.requestsPerMinute < 0 || e.concurrency < 0 || e.inFlight["a"] < 0 {
				t.Errorf("the load elsewhere is %+v", e)
			}
			if !(a.share > 0 && a.share <= 1) {
				t.Errorf("the share is %v", a.share)
			}
		}
		var slots api.PermitReport
		if err := json.Unmarshal(text, &slots); err == nil {
			answer := a.answer(slots)
			a.mu.Lock()
			a.slots.ask(1)
			a.slots.take(g.peers.known(), g.now())
			clear(a.slots.others)
			a.mu.Unlock()
			for id, n := range answer.Granted {
				if n < 0 || n > limit {
					t.Errorf("%d slots of %s are held", n, id)
				}
			}
		}
	})
}

// Of the gateways with requests for an app, each has a turn of its own to scale
// it, and those without requests take none.
func TestGatewaysScaleInTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := scaler.AppID{Job: rapid.StringN(1, 20, -1).Draw(t, "app")}
		wanting := rapid.SliceOfNDistinct(rapid.StringN(1, 20, -1), 1, 5, rapid.ID[string]).Draw(t, "wanting")
		quiet := member{answers: true, apps: map[scaler.AppID]api.PeerLoad{{Job: "other"}: {Concurrency: 1}}}
		silent := member{apps: map[scaler.AppID]api.PeerLoad{app: {Concurrency: 1}}}
		var turns []int
		for _, process := range wanting {
			v := view{members: map[string]member{"quiet": quiet, "silent": silent}}
			for _, other := range wanting {
				if other != process {
					v.members[other] = member{answers: true, apps: map[scaler.AppID]api.PeerLoad{app: {Concurrency: 1}}}
				}
			}
			turns = append(turns, v.ahead(app, process))
		}
		slices.Sort(turns)
		for n, turn := range turns {
			if turn != n {
				t.Fatalf("the turns of %d gateways are %v", len(wanting), turns)
			}
		}
	})
}
