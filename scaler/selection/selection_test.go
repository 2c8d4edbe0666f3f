package selection_test

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

var modes = []scaler.SelectionMode{
	scaler.SelectRandom, scaler.SelectFirst, scaler.SelectLast, scaler.SelectMinLoad,
	scaler.SelectExact, scaler.SelectRoundRobin, scaler.SelectPowerOfTwo, scaler.SelectHash,
}

func seeded() selection.Source { return rand.New(rand.NewPCG(1, 2)) }

// distribution is the exact probability of each instance: "a 1/3, b 2/3", or the
// error.
func distribution(t *testing.T, mode scaler.SelectionMode, build func(*selection.Pool)) string {
	t.Helper()
	likely := map[string]*big.Rat{}
	for draws := new(selection.EveryDraw); ; {
		p := selection.NewPool(selection.New(mode, draws), 0)
		build(p)
		result := ""
		i, err := p.Acquire("user-21")
		if err != nil {
			result = err.Error()
		} else {
			result = i.ID
		}
		if likely[result] == nil {
			likely[result] = new(big.Rat)
		}
		likely[result].Add(likely[result], draws.Probability())
		if !draws.Next() {
			break
		}
	}
	var words []string
	for _, id := range slices.Sorted(maps.Keys(likely)) {
		if likely[id].IsInt() {
			words = append(words, id)
		} else {
			words = append(words, id+" "+likely[id].RatString())
		}
	}
	return strings.Join(words, ", ")
}

// add puts an instance into the pool, ready, with requests in flight on it.
func add(p *selection.Pool, id string, index, inFlight int) {
	p.Add(id, index, "")
	selection.SetInFlight(p, id, inFlight)
	p.SetReady(id, true)
}

// Every mode with the same pools. The key is user-21, for which hash prefers b, then
// c, then a.
func TestModes(t *testing.T) {
	const several = "service_selection_mode exact needs exactly one instance, and "
	const three = several + "3 are ready: a, b, c"
	full, empty := selection.ErrFull.Error(), selection.ErrEmpty.Error()

	cases := []struct {
		name  string
		build func(*selection.Pool)

		random, first, last, minLoad, exact, roundRobin, powerOfTwo, hash string
	}{
		{
			"none", func(*selection.Pool) {},
			empty, empty, empty, empty, empty, empty, empty, empty,
		},
		{
			"one", func(p *selection.Pool) { add(p, "a", 0, 7) },
			"a", "a", "a", "a", "a", "a", "a", "a",
		},
		{
			"three alike",
			func(p *selection.Pool) { add(p, "a", 0, 2); add(p, "b", 1, 2); add(p, "c", 2, 2) },
			"a 1/3, b 1/3, c 1/3", "a", "c", "a 1/3, b 1/3, c 1/3", three, "a", "a 1/3, b 1/3, c 1/3", "b",
		},
		{
			"the order is the allocation index, not when they came",
			func(p *selection.Pool) { add(p, "a", 10, 2); add(p, "b", 9, 2); add(p, "c", 2, 2) },
			"a 1/3, b 1/3, c 1/3", "c", "a", "a 1/3, b 1/3, c 1/3", several + "3 are ready: c, b, a", "c", "a 1/3, b 1/3, c 1/3", "b",
		},
		{
			"two share an index",
			func(p *selection.Pool) { add(p, "b", 0, 0); add(p, "a", 0, 0) },
			"a 1/2, b 1/2", "a", "b", "a 1/2, b 1/2", several + "2 are ready: a, b", "a", "a 1/2, b 1/2", "b",
		},
		{
			"the busiest first",
			func(p *selection.Pool) { add(p, "a", 0, 9); add(p, "b", 1, 5); add(p, "c", 2, 3) },
			"a 1/3, b 1/3, c 1/3", "a", "c", "c", three, "a", "b 1/3, c 2/3", "b",
		},
		{
			"the busiest last",
			func(p *selection.Pool) { add(p, "a", 0, 3); add(p, "b", 1, 5); add(p, "c", 2, 9) },
			"a 1/3, b 1/3, c 1/3", "a", "c", "a", three, "a", "a 2/3, b 1/3", "b",
		},
		{
			"two equal minima behind a busier one",
			func(p *selection.Pool) { add(p, "a", 0, 5); add(p, "b", 1, 3); add(p, "c", 2, 3) },
			"a 1/3, b 1/3, c 1/3", "a", "c", "b 1/2, c 1/2", three, "a", "b 1/2, c 1/2", "b",
		},
		{
			"one not ready",
			func(p *selection.Pool) {
				add(p, "a", 0, 0)
				add(p, "b", 1, 0)
				add(p, "c", 2, 0)
				p.SetReady("b", false)
			},
			"a 1/2, c 1/2", "a", "c", "a 1/2, c 1/2", several + "2 are ready: a, c", "a", "a 1/2, c 1/2", "c",
		},
		{
			"all but one draining",
			func(p *selection.Pool) {
				add(p, "a", 0, 9)
				add(p, "b", 1, 0)
				add(p, "c", 2, 0)
				p.SetDraining("b", true)
				p.SetDraining("c", true)
			},
			"a", "a", "a", "a", "a", "a", "a", "a",
		},
		{
			"all draining",
			func(p *selection.Pool) { add(p, "a", 0, 0); p.SetDraining("a", true) },
			empty, empty, empty, empty, empty, empty, empty, empty,
		},
		{
			"two at the limit",
			func(p *selection.Pool) { add(p, "a", 0, 5); add(p, "b", 1, 6); add(p, "c", 2, 4); p.SetLimit(5) },
			"c", "c", "c", "c", three, "c", "c", "c",
		},
		{
			"one, at the limit",
			func(p *selection.Pool) { add(p, "a", 0, 5); p.SetLimit(5) },
			full, full, full, full, full, full, full, full,
		},
		{
			"all at the limit",
			func(p *selection.Pool) { add(p, "a", 0, 5); add(p, "b", 1, 5); p.SetLimit(5) },
			full, full, full, full, several + "2 are ready: a, b", full, full, full,
		},
		{
			"the highest index behind the fence",
			func(p *selection.Pool) { add(p, "a", 0, 9); add(p, "b", 1, 9); add(p, "c", 2, 0); p.Fence(1) },
			"a 1/2, b 1/2", "a", "b", "a 1/2, b 1/2", three, "a", "a 1/2, b 1/2", "b",
		},
		{
			"behind the fence when the rest is full",
			func(p *selection.Pool) {
				add(p, "a", 0, 5)
				add(p, "b", 1, 0)
				add(p, "c", 2, 0)
				p.SetLimit(5)
				p.Fence(2)
			},
			"b 1/2, c 1/2", "b", "c", "b 1/2, c 1/2", three, "b", "b 1/2, c 1/2", "b",
		},
		{
			"a fence around all",
			func(p *selection.Pool) { add(p, "a", 0, 0); add(p, "b", 1, 1); p.Fence(5) },
			"a 1/2, b 1/2", "a", "b", "a", several + "2 are ready: a, b", "a", "a", "b",
		},
		{
			"a fence counts those that start and not those that drain",
			func(p *selection.Pool) {
				add(p, "a", 0, 0)
				add(p, "b", 1, 0)
				p.Add("starting", 2, "")
				add(p, "draining", 3, 0)
				p.SetDraining("draining", true)
				p.Fence(2)
			},
			"a", "a", "a", "a", several + "2 are ready: a, b", "a", "a", "a",
		},
	}
	for _, c := range cases {
		for mode, want := range map[scaler.SelectionMode]string{
			scaler.SelectRandom: c.random, scaler.SelectFirst: c.first, scaler.SelectLast: c.last,
			scaler.SelectMinLoad: c.minLoad, scaler.SelectExact: c.exact, scaler.SelectRoundRobin: c.roundRobin,
			scaler.SelectPowerOfTwo: c.powerOfTwo, scaler.SelectHash: c.hash,
		} {
			t.Run(c.name+"/"+string(mode), func(t *testing.T) {
				if got := distribution(t, mode, c.build); got != want {
					t.Errorf("selects %s, want %s", got, want)
				}
			})
		}
	}
}

func TestEveryModeOfThePolicyExists(t *testing.T) {
	key, _ := scaler.LookupKey("service_selection_mode")
	for _, mode := range modes {
		if err := key.Check(string(mode)); err != nil {
			t.Error(err)
		}
		if selection.New(mode, seeded()) == nil {
			t.Errorf("no mode %s", mode)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown mode is no error")
		}
	}()
	selection.New("fastest", seeded())
}

func TestExactNamesTheInstances(t *testing.T) {
	p := selection.NewPool(selection.New(scaler.SelectExact, seeded()), 0)
	add(p, "b", 1, 0)
	add(p, "a", 0, 0)
	_, err := p.Acquire("")
	var several *selection.SeveralError
	if !errors.As(err, &several) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, several.IDs); diff != "" {
		t.Error(diff)
	}
}

func TestRoundRobinGoesOnWhileInstancesComeAndGo(t *testing.T) {
	p := selection.NewPool(selection.New(scaler.SelectRoundRobin, seeded()), 0)
	turn := func(want ...string) {
		t.Helper()
		for _, id := range want {
			i, err := p.Acquire("")
			if err != nil {
				t.Fatal(err)
			}
			if i.ID != id {
				t.Fatalf("it is the turn of %s, want %s", i.ID, id)
			}
			p.Release(i)
		}
	}
	for index, id := range []string{"a", "b", "c"} {
		add(p, id, index, 0)
	}
	turn("a", "b", "c", "a", "b")
	p.Remove("a")
	turn("c", "b")
	add(p, "d", 3, 0)
	turn("c", "d", "b")
	p.SetReady("c", false)
	turn("d", "b", "d")
	p.SetReady("c", true)
	add(p, "a2", 0, 0)
	turn("a2", "b", "c", "d", "a2")
}

// An instance that has just started gets as many requests as the others have, and
// not all of them.
func TestAFreshInstanceIsNotStampeded(t *testing.T) {
	build := func(p *selection.Pool) {
		for index := range 10 {
			add(p, fmt.Sprintf("old-%d", index), index, 5)
		}
		add(p, "fresh", 10, 0)
	}

	p := selection.NewPool(selection.New(scaler.SelectMinLoad, seeded()), 0)
	build(p)
	for range 55 {
		if _, err := p.Acquire(""); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Get("fresh").InFlight(); n < 9 || n > 10 {
		t.Errorf("min_load: %d in flight after 55 requests; 105 over 11 instances are 9 or 10 each", n)
	}

	got := distribution(t, scaler.SelectPowerOfTwo, build)
	if !strings.HasPrefix(got, "fresh 2/11, ") {
		t.Errorf("power_of_two: %s; want 2/11 for the fresh one", got)
	}
}

func hashed(ids ...string) *selection.Pool {
	p := selection.NewPool(selection.New(scaler.SelectHash, seeded()), 0)
	for index, id := range ids {
		add(p, id, index, 0)
	}
	return p
}

func acquire(t *testing.T, p *selection.Pool, key string) string {
	t.Helper()
	i, err := p.Acquire(key)
	if err != nil {
		t.Fatal(err)
	}
	return i.ID
}

var allocations = []string{
	"0f1c5b0e-8f0c-4c59-9d2c-0f0d8a1f0c01", "0f1c5b0e-8f0c-4c59-9d2c-0f0d8a1f0c02",
	"5c8e1d7a-3b64-4e0f-a1c9-7e2f4b6d8a03", "9a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c04", "e7d6c5b4-a392-4817-b6f5-d4e3c2b1a005",
}

// Gateways that know the same instances agree, in whatever order they found them, and
// across versions.
func TestHashAgreesBetweenGateways(t *testing.T) {
	want := map[string]string{
		"10.0.0.1": "5c8e1d7a-3b64-4e0f-a1c9-7e2f4b6d8a03",
		"10.0.0.2": "0f1c5b0e-8f0c-4c59-9d2c-0f0d8a1f0c02",
		"alice":    "9a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c04",
		"bob":      "0f1c5b0e-8f0c-4c59-9d2c-0f0d8a1f0c02",
	}
	backwards := slices.Clone(allocations)
	slices.Reverse(backwards)
	for key, id := range want {
		for _, p := range []*selection.Pool{hashed(allocations...), hashed(backwards...)} {
			if got := acquire(t, p, key); got != id {
				t.Errorf("%s goes to %s, want %s", key, got, id)
			}
		}
	}
}

func TestHashMovesOnlyTheKeysOfAnInstanceThatGoes(t *testing.T) {
	const keys = 10_000
	all, fewer := hashed(allocations...), hashed(allocations[1:]...)
	full := hashed(allocations...)
	full.SetLimit(1)
	selection.SetInFlight(full, allocations[0], 1)

	count := map[string]int{}
	for n := range keys {
		key := fmt.Sprintf("user-%d", n)
		id, other := acquire(t, all, key), acquire(t, fewer, key)
		count[id]++
		if id != allocations[0] && other != id {
			t.Fatalf("%s moves from %s to %s, though %s is the one that went", key, id, other, allocations[0])
		}
		if id == allocations[0] {
			i, err := full.Acquire(key)
			if err != nil || i.ID != other {
				t.Fatalf("%s goes to %v when its instance is full, and to %s when it is gone", key, i, other)
			}
			full.Release(i)
		}
	}
	for id, n := range count {
		if n < keys/5-200 || n > keys/5+200 {
			t.Errorf("%s has %d keys of %d", id, n, keys)
		}
	}
}

// Requests without a session do not all go to the same instance.
func TestHashSpreadsRequestsWithoutAKey(t *testing.T) {
	p := hashed(allocations...)
	seen := map[string]bool{}
	for range 100 {
		seen[acquire(t, p, "")] = true
	}
	if len(seen) != len(allocations) {
		t.Errorf("100 requests without a key reach %d of %d instances", len(seen), len(allocations))
	}
}
