package scaler_test

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func BenchmarkDecide(b *testing.B) {
	for name, o := range map[string]scaler.Observation{
		"steady": {Now: now, Desired: 3, Series: steady(200, 10*time.Minute)},
		"idle":   {Now: now, Desired: 1, Series: steady(0, 650*time.Second)},
	} {
		b.Run(name, func(b *testing.B) {
			p := parse(b)
			b.ReportAllocs()
			for b.Loop() {
				if d := scaler.Decide(p, o); d.Count != o.Desired {
					b.Fatal(d.Reason())
				}
			}
		})
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := parse(t)
	o := scaler.Observation{Now: now, Desired: 1, Series: steady(0, 650*time.Second)}
	if n := testing.AllocsPerRun(100, func() { scaler.Decide(p, o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
