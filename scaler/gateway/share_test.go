package gateway

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The shares of all gateways are the whole limit, and none is without.
func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.), rapid.Float64Range(0, 1<<30)), 1, 20).Draw(t, "arrivals")
		sum, floor := 0., quietShare/2/float64(len(arrivals))
		for i, own := range arrivals {
			others := slices.Delete(slices.Clone(arrivals), i, i+1)
			s := share(own, others)
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

func TestShare(t *testing.T) {
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
		if got := share(test.own, test.others); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("with %v beside %v: a share of %v, want %v", test.own, test.others, got, test.want)
		}
	}
}
