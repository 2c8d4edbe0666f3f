package cluster_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// with is the report of a process with that load of the shop.
func with(process string, l api.PeerLoad) api.PeerReport {
	return api.PeerReport{Process: process, Apps: map[scaler.AppID]api.PeerLoad{shop: l}}
}

func TestLoadsAddUp(t *testing.T) {
	m := membership(t, busy, with("p2", api.PeerLoad{RequestsPerMinute: 3, Concurrency: 1, InFlight: map[string]int{"a": 1}}))
	want := cluster.RemoteLoad{RequestsPerMinute: 603, Concurrency: 11, InFlight: map[string]int{"a": 7, "b": 2}}
	if diff := cmp.Diff(want, m.Load(shop)); diff != "" {
		t.Errorf("the load (-want +got):\n%s", diff)
	}
	if l := m.Load(scaler.AppID{Job: "other"}); !l.None() {
		t.Errorf("an app without load has %+v", l)
	}
}

// A gateway that ends takes no requests, so the others have its share.
func TestArrivals(t *testing.T) {
	ending := with("p2", api.PeerLoad{Arrivals: 50})
	ending.Ending = true
	m := membership(t, with("p1", api.PeerLoad{Arrivals: 100}), ending, api.PeerReport{Process: "p3"})
	got := slices.Sorted(slices.Values(m.Arrivals(shop)))
	if !cmp.Equal(got, []float64{0, 100}) {
		t.Errorf("arrivals of %v, want 0 and 100", got)
	}
	if m.Size() != 3 {
		t.Errorf("%d members, want 3", m.Size())
	}
	if share := cluster.RateShare(0, membership(t, ending).Arrivals(shop)); share != 1 {
		t.Errorf("next to one that ends the share is %v, want all", share)
	}
}

// An allocation is drained when no gateway has a request there, and not while that
// is not known.
func TestDrained(t *testing.T) {
	drained, inUse := with("p1", api.PeerLoad{Drained: []string{"a"}}), with("p2", api.PeerLoad{InFlight: map[string]int{"a": 1}})
	if !membership(t, drained).Drained(shop, "a") {
		t.Error("it is not drained though the only other gateway says so")
	}
	if membership(t, drained).Drained(shop, "b") {
		t.Error("it is drained though another gateway may send a request there")
	}
	if membership(t, drained, inUse).Drained(shop, "a") {
		t.Error("it is drained though another gateway has a request there")
	}
	client := clientOf(drained, drained)
	client.fail("b", errUnwell)
	if start(t, cluster.Config{Client: client, Process: "own"}).Snapshot().Drained(shop, "a") {
		t.Error("it is drained though another gateway has never answered")
	}
	client.fail("b", errRefused)
	if !start(t, cluster.Config{Client: client, Process: "own"}).Snapshot().Drained(shop, "a") {
		t.Error("it is not drained though the other gateway has ended")
	}
	client = clientOf(drained)
	c := start(t, cluster.Config{Client: client, Process: "own"})
	client.fail("a", errUnwell)
	c.Refresh(t.Context())
	if c.Snapshot().Drained(shop, "a") {
		t.Error("it is drained though another gateway is silent")
	}
}

// Of the gateways with requests for an app each has another place in the order,
// and those without requests have none.
func TestScaleOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := scaler.AppID{Job: rapid.StringN(1, 20, -1).Draw(t, "app")}
		wanting := rapid.SliceOfNDistinct(rapid.StringN(1, 20, -1), 1, 5, rapid.ID[string]).Draw(t, "wanting")
		load := map[scaler.AppID]api.PeerLoad{app: {Concurrency: 1}}
		silent := api.PeerReport{Process: "a silent gateway in the test", Apps: load}
		quiet := api.PeerReport{Process: "a quiet gateway in the test", Apps: map[scaler.AppID]api.PeerLoad{{Job: app.Job + "2"}: {Concurrency: 1}}}
		var places []int
		for _, process := range wanting {
			reports := []api.PeerReport{silent, quiet}
			for _, other := range wanting {
				if other != process {
					reports = append(reports, api.PeerReport{Process: other, Apps: load})
				}
			}
			client := clientOf(reports...)
			c := start(t, cluster.Config{Client: client, Process: process})
			client.fail("a", errUnwell)
			c.Refresh(t.Context())
			if n := c.Snapshot().Size(); n != len(wanting)+1 {
				t.Fatalf("%d other gateways, want %d", n, len(wanting)+1)
			}
			places = append(places, c.Snapshot().ScaleOrder(app, process))
		}
		slices.Sort(places)
		for n, place := range places {
			if place != n {
				t.Fatalf("the places of %d gateways are %v", len(wanting), places)
			}
		}
	})
}

// The shares of all gateways are the whole limit, and none is without.
func TestRateSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.), rapid.Float64Range(0, 1<<30)), 1, 20).Draw(t, "arrivals")
		const idle = .05
		sum, floor := 0., idle/2/float64(len(arrivals))
		for i, own := range arrivals {
			others := slices.Delete(slices.Clone(arrivals), i, i+1)
			s := cluster.RateShare(own, others)
			if !(s > floor && s <= 1) {
				t.Fatalf("gateway %d has a share of %v", i, s)
			}
			sum += s
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("the shares add up to %v", sum)
		}
	})
}

func TestRateShare(t *testing.T) {
	for _, test := range []struct {
		own    float64
		others []float64
		want   float64
	}{
		{0, nil, 1},
		{100, nil, 1},
		{0, []float64{0, 0, 0}, .25},
		{300, []float64{100}, .75},
		{1000, []float64{0}, 1 / 1.025},
		{0, []float64{1000}, .025 / 1.025},
	} {
		if got := cluster.RateShare(test.own, test.others); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("with %v next to %v: a share of %v, want %v", test.own, test.others, got, test.want)
		}
	}
}
