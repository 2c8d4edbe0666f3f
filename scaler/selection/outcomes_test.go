package selection_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// Every acquired instance is one of the outcomes, and every outcome is acquired at
// some time, in every mode.
func TestOutcomesAreWhatIsAcquired(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom(modes).Draw(t, "mode")
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		pool := selection.NewPool(selection.New(mode, random), limit)
		for n := range rapid.IntRange(0, 6).Draw(t, "instances") {
			i := pool.Add(fmt.Sprint(n), n, "")
			pool.SetReady(i.ID, rapid.Bool().Draw(t, "ready"))
			pool.SetDraining(i.ID, rapid.IntRange(0, 9).Draw(t, "draining") == 0)
			pool.SetRemoteLoad(i, rapid.IntRange(0, 2).Draw(t, "remote load"))
			pool.SetReserved(i, rapid.IntRange(0, 2).Draw(t, "reserved"))
		}
		pool.Fence(rapid.IntRange(0, 2).Draw(t, "fence"))
		key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")

		outcomes, wrong := pool.Outcomes(mode, key)
		missing := make(map[*selection.Instance]bool)
		for _, i := range outcomes {
			missing[i] = true
		}
		// With six instances, chance misses none in so many draws.
		for range 2000 {
			i, err := pool.Acquire(key)
			if (err == nil) != (wrong == nil) || err != nil && err.Error() != wrong.Error() {
				t.Fatalf("error %v, want %v", err, wrong)
			}
			if err != nil {
				return
			}
			if !slices.Contains(outcomes, i) {
				t.Fatalf("%s acquires %s, which is none of the %d outcomes", mode, i.ID, len(outcomes))
			}
			delete(missing, i)
			pool.Release(i)
		}
		if len(missing) > 0 {
			t.Fatalf("%s never acquires %d of %d outcomes", mode, len(missing), len(outcomes))
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	pool := selection.NewPool(selection.New(scaler.SelectFirst, nil), 0)
	for n, inFlight := range []int{3, 1, 1, 2} {
		pool.Add(fmt.Sprint(n), n, "")
		pool.SetReady(fmt.Sprint(n), true)
		pool.SetRemoteLoad(pool.Get(fmt.Sprint(n)), inFlight)
	}
	for mode, want := range map[scaler.SelectionMode]string{
		scaler.SelectRandom: "0123", scaler.SelectFirst: "0", scaler.SelectLast: "3", scaler.SelectMinLoad: "12",
		scaler.SelectRoundRobin: "0123", scaler.SelectPowerOfTwo: "123",
	} {
		outcomes, err := pool.Outcomes(mode, "")
		got := ""
		for _, i := range outcomes {
			got += i.ID
		}
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", mode, got, err, want)
		}
	}
	if outcomes, err := pool.Outcomes(scaler.SelectHash, "a"); err != nil || len(outcomes) != 1 {
		t.Errorf("hash: %d outcomes, %v; want one", len(outcomes), err)
	}
	if _, err := pool.Outcomes(scaler.SelectExact, ""); !errors.As(err, new(*selection.SeveralError)) {
		t.Errorf("exact: error %v, want a SeveralError", err)
	}
}
