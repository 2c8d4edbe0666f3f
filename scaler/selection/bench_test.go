package selection_test

import (
	"fmt"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// filled is a pool of n instances with 3 to 9 requests in flight on each.
func filled(mode scaler.SelectionMode, n, limit int) *selection.Pool {
	p := selection.NewPool(selection.New(mode, seeded()), limit)
	for index := range n {
		add(p, fmt.Sprintf("0f1c5b0e-8f0c-4c59-9d2c-%012d", index), index, 3+index*5%7)
	}
	if mode == scaler.SelectExact {
		for _, i := range p.Instances()[1:] {
			p.SetReady(i.ID, false)
		}
	}
	return p
}

func BenchmarkAcquireRelease(b *testing.B) {
	for _, mode := range modes {
		for _, n := range []int{10, 1000} {
			for _, limit := range []int{0, 100} {
				b.Run(fmt.Sprintf("%s/instances=%d/limit=%d", mode, n, limit), func(b *testing.B) {
					p := filled(mode, n, limit)
					b.ReportAllocs()
					for b.Loop() {
						i, err := p.Acquire("10.0.0.1")
						if err != nil {
							b.Fatal(err)
						}
						p.Release(i)
					}
				})
			}
		}
	}
}

func TestAcquireAndReleaseDoNotAllocate(t *testing.T) {
	for _, mode := range modes {
		for _, limit := range []int{0, 100} {
			p := filled(mode, 100, limit)
			p.Fence(1)
			n := testing.AllocsPerRun(100, func() {
				i, err := p.Acquire("10.0.0.1")
				if err != nil {
					t.Fatal(err)
				}
				p.Release(i)
			})
			if n != 0 {
				t.Errorf("%s with a limit of %d: %v allocations", mode, limit, n)
			}
		}
	}
}
