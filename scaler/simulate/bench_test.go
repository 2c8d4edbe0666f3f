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
			trace := shape(b, c.shape, year)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := simulate.Run(p, trace, simulate.Options{StartDelay: 5 * time.Second}); err != nil {
					b.Fatal(err)
				}
			}
			const decisions = float64(year / simulate.DefaultStep)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/decisions, "ns/step")
		})
	}
}
