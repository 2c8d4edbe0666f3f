package backend_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// busy is the load of an app at another gateway.
var busy = api.PeerLoad{RequestsPerMinute: 600, Concurrency: 10, InFlight: map[string]int{"a": 6, "b": 2}}

// withStranger returns a gateway that has another one with that load.
func withStranger(t testing.TB, l api.PeerLoad, change ...func(*backend.Config)) (*fixture, *stranger) {
	t.Helper()
	other := new(stranger)
	other.say(l, nil)
	return newNetwork(map[string]node{"other": other}).join(t, "self", change...), other
}

// together returns gateways in one network, each with the app.
func together(t testing.TB, number int, document scaler.Document, change ...func(*backend.Config)) (*network, []*fixture) {
	t.Helper()
	n, all := newNetwork(nil), make([]*fixture, number)
	for i := range all {
		all[i] = n.join(t, fmt.Sprintf("gateway-%d", i), change...)
		all[i].app(t, webID, document)
	}
	return n, all
}

// What a gateway decides by is the load of all, and what it reports its own.
func TestDecisionsAreByTheLoadOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := withStranger(t, busy)
		a := f.app(t, webID, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "1", "max_instances": "100"})
		f.look(t)
		a.Begin(f.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		if d := a.Status().Decision; d == nil || d.Load != 11 {
			t.Errorf("it decides by %+v, want a load of 11", d)
		}
		if load := a.Status().Load; load == nil || *load != 1 {
			t.Errorf("it reports a load of %v, want 1", load)
		}
		if s := a.Load(); s.Concurrency != 1 {
			t.Errorf("its snapshot has %d at once, want 1", s.Concurrency)
		}
		if l, idle := a.PeerLoad(); l.Concurrency != 1 || idle {
			t.Errorf("it tells other gateways %+v (idle: %t), want one request", l, idle)
		}
	})
}

// The first request at a gateway scales for those that wait at the others, too.
func TestGatewaysScaleForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, other := withStranger(t, api.PeerLoad{})
		a := f.app(t, webID, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "2", "min_instances": "0"})
		f.look(t)
		// What comes there now is not known here before it is asked for.
		other.say(busy, nil)
		a.Begin(f.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		if scaled, _, _ := f.nomad.calls(); !slices.Equal(scaled, []int{6}) {
			t.Errorf("for 1 request here and 10 there it was scaled to %v, want to 6", scaled)
		}
	})
}

// Of gateways that have requests for an app at the same time, one scales it, and
// the next one sees that there is nothing left to do.
func TestGatewaysScaleInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		document := scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "1", "min_instances": "0"}
		_, all := together(t, 3, document)
		shared := &fakeNomad{latency: 50 * time.Millisecond}
		for _, f := range all {
			f.Nomad = shared
			f.look(t)
		}
		refresh(t, all...)
		for _, f := range all {
			f.apps[0].Begin(f.Now())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if scaled, _, _ := shared.calls(); !slices.Equal(scaled, []int{3}) {
			t.Errorf("scaled to %v, want once to 3", scaled)
		}
	})
}

func TestMinLoadIsOverAllGateways(t *testing.T) {
	for _, mode := range []string{"min_load", "power_of_two"} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := withStranger(t, busy)
			a := f.app(t, webID, scaler.Document{"metric": "concurrency", "service_selection_mode": mode})
			startReady(t, a, "a", 0) // has 6 elsewhere
			startReady(t, a, "b", 1) // has 2
			f.look(t)
			for range 4 {
				if l := f.acquire(t, a); l.Instance() != "b" {
					t.Errorf("%s: a request went to %s, want all at b", mode, l.Instance())
				}
			}
		})
	}
}

// limited sends requests to gateways, so many a second to each, for some seconds,
// and returns how many were let in, by second and by gateway.
func limited(t *testing.T, all []*fixture, perSecond []int, seconds int) (bySecond, byGateway []int) {
	t.Helper()
	bySecond, byGateway = make([]int, seconds), make([]int, len(all))
	const ticks = 100
	for s := range seconds {
		for tick := range ticks {
			time.Sleep(time.Second / ticks)
			for i, f := range all {
				a := f.apps[0]
				for range perSecond[i]*(tick+1)/ticks - perSecond[i]*tick/ticks {
					if a.Admit(a.Policy(), f.Now()) == nil {
						bySecond[s]++
						byGateway[i]++
					}
				}
			}
		}
		for _, f := range all {
			f.apps[0].CountArrivals(time.Second)
		}
		refresh(t, all...)
	}
	return bySecond, byGateway
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
			synctest.Test(t, func(t *testing.T) {
				_, all := together(t, len(test.perSecond), scaler.Document{"rate_limit": "100", "rate_limit_burst": "100"})
				for _, f := range all {
					f.look(t)
				}
				refresh(t, all...)
				first, _ := limited(t, all, test.perSecond, 5)
				burst := 0
				for _, n := range first {
					burst += n - 100
				}
				if burst > 100+len(all) {
					t.Errorf("%v were let in at first, which is %d more than the limit; the burst is 100", first, burst)
				}
				steady, at := limited(t, all, test.perSecond, 10)
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
		})
	}
}

// When one gateway has ended, the other has the whole limit after it has asked
// once.
func TestRateLimitOfTheGatewayThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, all := together(t, 2, scaler.Document{"rate_limit": "100", "rate_limit_burst": "10"})
		for _, f := range all {
			f.look(t)
		}
		refresh(t, all...)
		limited(t, all, []int{200, 200}, 5)
		n.kill("gateway-1")
		refresh(t, all[0])
		let, _ := limited(t, all[:1], []int{400}, 3)
		for _, n := range let {
			if n < 95 || n > 111 {
				t.Errorf("%v were let in a second, want 100", let)
			}
		}
	})
}

// A gateway that ends takes no requests, so the others have its share.
func TestRateLimitOfAGatewayThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := together(t, 2, scaler.Document{"rate_limit": "100", "rate_limit_burst": "100"})
		for _, f := range all {
			f.look(t)
		}
		refresh(t, all...)
		burst := func() (n int) {
			time.Sleep(time.Minute)
			a := all[0].apps[0]
			for range 200 {
				if a.Admit(a.Policy(), time.Now()) == nil {
					n++
				}
			}
			return n
		}
		if n := burst(); n != 50 {
			t.Errorf("of two gateways one lets in %d at once, want half of 100", n)
		}
		all[1].ending.Store(true)
		refresh(t, all...)
		if n := burst(); n != 100 {
			t.Errorf("next to one that ends a gateway lets in %d at once, want 100", n)
		}
	})
}

// An app that is new to a gateway has an even share before it has heard of the
// arrivals at the others.
func TestRateLimitOfANewApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := withStranger(t, busy)
		f.look(t)
		a := f.app(t, webID, scaler.Document{"rate_limit": "100", "rate_limit_burst": "100"})
		n := 0
		for range 200 {
			if a.Admit(a.Policy(), time.Now()) == nil {
				n++
			}
		}
		if n != 50 {
			t.Errorf("%d were let in at once, want half of 100", n)
		}
	})
}

// rush is requests at several gateways, counted by instance.
type rush struct {
	mu       sync.Mutex
	at, most map[string]int
	served   map[*fixture]int
}

func newRush() *rush {
	return &rush{at: make(map[string]int), most: make(map[string]int), served: make(map[*fixture]int)}
}

// send sends requests to a gateway at once, each of which takes so long.
func (r *rush) send(t *testing.T, f *fixture, n int, take time.Duration) {
	t.Helper()
	var group sync.WaitGroup
	for range n {
		group.Go(func() { r.serve(t, f, take) })
	}
	group.Wait()
}

func (r *rush) serve(t *testing.T, f *fixture, take time.Duration) {
	t.Helper()
	a := f.apps[0]
	a.Begin(f.Now())
	defer func() { a.End(f.Now()) }()
	l, _, err := a.Acquire(t.Context(), f.request(a))
	if err != nil {
		t.Errorf("a request failed: %v", err)
		return
	}
	result, id := answered(), l.Instance()
	r.mu.Lock()
	r.at[id]++
	r.most[id] = max(r.most[id], r.at[id])
	r.mu.Unlock()
	time.Sleep(take)
	r.mu.Lock()
	r.at[id]--
	r.served[f]++
	r.mu.Unlock()
	l.Release(result)
}

// With gateways under load that know each other, no instance has more requests than
// the cap at any moment, all of the cap is used, and none starves.
func TestCapIsOverAllGateways(t *testing.T) {
	for _, test := range []struct{ gateways, instances, limit int }{{2, 1, 1}, {2, 3, 4}, {3, 2, 2}, {3, 1, 10}} {
		t.Run(fmt.Sprintf("%d gateways, %d instances of %d", test.gateways, test.instances, test.limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				document := scaler.Document{"max_concurrency_per_instance": fmt.Sprint(test.limit), "max_instances": fmt.Sprint(test.instances)}
				_, all := together(t, test.gateways, document)
				for _, f := range all {
					f.run()
				}
				time.Sleep(3 * time.Second)
				for _, f := range all {
					for i := range test.instances {
						startReady(t, f.apps[0], string(rune('a'+i)), i)
					}
				}
				r := newRush()
				r.send(t, all[0], test.instances*test.limit, 100*time.Millisecond)
				if len(r.most) != test.instances {
					t.Errorf("one gateway alone used %d of %d instances", len(r.most), test.instances)
				}
				for id, n := range r.most {
					if n != test.limit {
						t.Errorf("for one gateway alone %s had %d requests at once, want %d", id, n, test.limit)
					}
				}
				var group sync.WaitGroup
				for _, f := range all {
					group.Go(func() { r.send(t, f, 60, 10*time.Millisecond) })
				}
				group.Wait()
				for id, n := range r.most {
					if n > test.limit {
						t.Errorf("%s had %d requests at once, want at most %d", id, n, test.limit)
					}
				}
				for i, f := range all {
					want := 60
					if i == 0 {
						want += test.instances * test.limit
					}
					if r.served[f] != want {
						t.Errorf("gateway %d served %d requests, want %d", i, r.served[f], want)
					}
				}
			})
		})
	}
}

// held is how many permits of the instance a a gateway holds.
func held(t testing.TB, f *fixture) int {
	t.Helper()
	report, err := f.answerPermits(api.PermitReport{Process: "nothing", App: webID})
	if err != nil {
		t.Fatal(err)
	}
	return report.Granted["a"]
}

// Gateways that were each alone, and have filled an instance to its cap each, get
// down to the cap together when they have met.
func TestCapOfGatewaysThatMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 5
		n, all := together(t, 2, scaler.Document{"max_concurrency_per_instance": fmt.Sprint(limit), "max_instances": "1"})
		n.separate(true)
		var leases []backend.Lease
		for _, f := range all {
			f.run()
			time.Sleep(3 * time.Second)
			startReady(t, f.apps[0], "a", 0)
			for range limit {
				leases = append(leases, f.acquire(t, f.apps[0]))
			}
		}
		if sum := held(t, all[0]) + held(t, all[1]); sum != 2*limit {
			t.Fatalf("alone, they hold %d permits, want %d", sum, 2*limit)
		}
		n.separate(false)
		time.Sleep(3 * time.Second)
		for _, l := range leases {
			l.Release(answered())
		}
		time.Sleep(3 * time.Second)
		if sum := held(t, all[0]) + held(t, all[1]); sum > limit {
			t.Fatalf("after they have met they hold %d permits, want at most %d", sum, limit)
		}
		r := newRush()
		var group sync.WaitGroup
		for _, f := range all {
			group.Go(func() { r.send(t, f, 20, 5*time.Millisecond) })
		}
		group.Wait()
		if r.most["a"] > limit {
			t.Errorf("an instance had %d requests at once, want at most %d", r.most["a"], limit)
		}
	})
}

// Gateways that were each alone, and idle, do not exceed the cap once they have met.
func TestCapOfIdleGatewaysThatMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 5
		n, all := together(t, 2, scaler.Document{"max_concurrency_per_instance": fmt.Sprint(limit), "max_instances": "1"})
		n.separate(true)
		for _, f := range all {
			f.run()
			time.Sleep(3 * time.Second)
			startReady(t, f.apps[0], "a", 0)
		}
		n.separate(false)
		time.Sleep(3 * time.Second)
		if sum := held(t, all[0]) + held(t, all[1]); sum != 0 {
			t.Errorf("idle, they hold %d permits, want none", sum)
		}
		r := newRush()
		var group sync.WaitGroup
		for _, f := range all {
			group.Go(func() { r.send(t, f, 20, 5*time.Millisecond) })
		}
		group.Wait()
		if r.most["a"] != limit {
			t.Errorf("an instance had %d requests at once, want %d", r.most["a"], limit)
		}
	})
}

// ended is how many delays a gateway has ended.
func ended(f *fixture) int {
	synctest.Wait()
	_, _, ended := f.nomad.calls()
	return len(ended)
}

// endsDelays lets a gateway end delays early.
func endsDelays(c *backend.Config) { c.EndDelays = true }

// The delay of a stopping instance is ended when no gateway has a request there,
// and not while that is not known.
func TestDelaysEndWhenAllAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := together(t, 2, nil, endsDelays)
		leases := make([]backend.Lease, 2)
		for i, f := range all {
			startReady(t, f.apps[0], "a", 0)
			f.look(t)
			leases[i] = f.acquire(t, f.apps[0])
		}
		both := func() int { return ended(all[0]) + ended(all[1]) }
		refresh(t, all...)
		stop(all[0].apps[0], "a", 0)
		leases[0].Release(answered())
		refresh(t, all...)
		if both() != 0 {
			t.Error("it was ended while the other gateway had a request there")
		}
		leases[1].Release(answered())
		refresh(t, all...)
		if both() != 0 {
			t.Error("it was ended while the other gateway might have sent another request there")
		}
		stop(all[1].apps[0], "a", 0)
		refresh(t, all...)
		if both() == 0 {
			t.Error("it was not ended when both gateways were done")
		}
	})
}

func TestDelaysStayWhileAGatewayIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drained := api.PeerLoad{Drained: []string{"a"}}
		f, other := withStranger(t, drained, endsDelays)
		a := f.app(t, webID, nil)
		startReady(t, a, "a", 0)
		other.say(drained, errors.New("it is not well"))
		f.run()
		time.Sleep(3 * time.Second)
		stop(a, "a", 0)
		time.Sleep(3 * time.Second)
		if ended(f) != 0 {
			t.Error("it was ended next to a gateway that has never answered")
		}
		other.say(drained, nil)
		time.Sleep(3 * time.Second)
		if ended(f) != 1 {
			t.Error("it was not ended once when the other gateway answers")
		}
		time.Sleep(3 * time.Second)
		if ended(f) != 1 {
			t.Error("it was ended twice")
		}
	})
}

// What other gateways are told of an app: its requests by instance, and which
// stopping instances have none.
func TestPeerLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "first"})
		if l, idle := a.PeerLoad(); !idle {
			t.Errorf("an idle app tells %+v", l)
		}
		startReady(t, a, "a", 0)
		startReady(t, a, "b", 1)
		if l, idle := a.PeerLoad(); !idle {
			t.Errorf("an app with idle instances tells %+v", l)
		}
		l := f.acquire(t, a)
		stop(a, "a", 0)
		stop(a, "b", 1)
		told, idle := a.PeerLoad()
		if idle || told.InFlight["a"] != 1 || !slices.Equal(told.Drained, []string{"b"}) {
			t.Errorf("the app tells %+v (idle: %t), want a request at a, and that b is drained", told, idle)
		}
		l.Release(answered())
		if told, _ = a.PeerLoad(); told.InFlight != nil || len(told.Drained) != 2 {
			t.Errorf("at the end the app tells %+v, want that both are drained", told)
		}
	})
}
