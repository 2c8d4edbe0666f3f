package load_test

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// BenchmarkBeginEnd has 1000 requests a second, so that seconds and steps pass.
func BenchmarkBeginEnd(b *testing.B) {
	m := load.NewMeter(start, 10*time.Minute)
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		m.Begin(now)
		m.End(now)
	}
}

func BenchmarkBeginEndParallel(b *testing.B) {
	m := load.NewMeter(start, 10*time.Minute)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Begin(start)
			m.End(start)
		}
	})
}

// A decision needs ten minutes of history.
func BenchmarkSeries(b *testing.B) {
	for name, now := range map[string]time.Time{"busy": at(600), "idle": at(86_400)} {
		b.Run(name, func(b *testing.B) {
			m := load.NewMeter(start, 10*time.Minute)
			for second := range 600 {
				m.Begin(at(float64(second)))
				m.End(at(float64(second) + 0.5))
			}
			b.ReportAllocs()
			for b.Loop() {
				if len(m.Series(scaler.RequestsPerMinute, now.Add(-10*time.Minute), now)) < 120 {
					b.Fatal("the series is short")
				}
			}
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	gateways := []load.Series{constant(1, start, at(600)), constant(2, start, at(600)), constant(3, start, at(600))}
	b.ReportAllocs()
	for b.Loop() {
		if len(load.Merge(gateways...)) == 0 {
			b.Fatal("no sum")
		}
	}
}

func TestBeginAndEndDoNotAllocate(t *testing.T) {
	m := load.NewMeter(start, 10*time.Minute)
	if n := testing.AllocsPerRun(100, func() { m.Begin(start); m.End(start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
