package simulate_test

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

const year = 365 * 24 * time.Hour

// A year of evaluations every ten seconds: 3,153,600 decisions.
func BenchmarkYear(b *testing.B) {
	for _, c := range []struct{ name, shape string }{
		{"busy", "sine:20..900/24h"},
		{"constant", "constant:600"},
		{"business days", "business-day:0..1000"},
		{"idle", "constant:0"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := policy(b, "min_instances", "0", "price_per_instance_second", "0.000059")
			tr := shape(b, c.shape, year)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := simulate.Run(p, tr, simulate.Options{StartDelay: 5 * time.Second}); err != nil {
					b.Fatal(err)
				}
			}
			const decisions = float64(year / simulate.DefaultStep)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/decisions, "ns/step")
		})
	}
}

// A run allocates for its actions, and not for its steps.
func TestStepsDoNotAllocate(t *testing.T) {
	p := policy(t, "min_instances", "0")
	for _, load := range []string{"constant:0", "constant:80"} {
		allocations := func(length time.Duration) float64 {
			tr := shape(t, load, length)
			return testing.AllocsPerRun(3, func() { run(t, p, tr, simulate.Options{}) })
		}
		// The runtime sometimes allocates, too.
		if day, month := allocations(24*time.Hour), allocations(30*24*time.Hour); month > 2*day {
			t.Errorf("%s: %v allocations in a day, %v in a month", load, day, month)
		}
	}
}
