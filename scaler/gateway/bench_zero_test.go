package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// BenchmarkFromZero starts apps by their first request, on a real Nomad. It measures
// how long the answer takes, and compares that with the time until the app listens.
func BenchmarkFromZero(b *testing.B) {
	g := onNomad(b)
	var total, share []float64
	for n := 0; b.Loop(); n++ {
		url := g.start(b, fmt.Sprintf("zero-%d", n), 0, scaler.Document{"min_instances": "0"})
		began := time.Now()
		response, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		_ = body(b, response)
		since, err := time.Parse(time.RFC3339Nano, response.Header.Get(listening))
		if err != nil {
			b.Fatalf("%s: %v", response.Status, err)
		}
		total = append(total, took.Seconds())
		share = append(share, took.Seconds()/since.Sub(began).Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(total)*1e3, "first-byte-ms")
	b.ReportMetric(median(share), "of-listening")
}

// BenchmarkBurst measures the time from a request that finds no room to the count
// that Nomad has changed for it.
func BenchmarkBurst(b *testing.B) {
	g := onNomad(b)
	var took []float64
	for n := 0; b.Loop(); n++ {
		job := fmt.Sprintf("burst-%d", n)
		url := g.start(b, job, 1, scaler.Document{
			"metric": "concurrency", "target_concurrency_per_instance": "1", "max_concurrency_per_instance": "1", "max_instances": "2",
		}, func(group *api.TaskGroup) { group.Update = nil })
		done := make(chan error, 2)
		send := func() { done <- fetch(url + "?take=1s") }
		go send()
		eventually(b, "the instance is busy", func() bool { return g.status(b, job).InFlight == 1 })
		began := time.Now()
		go send()
		nomadtest.Eventually(b, time.Minute, "the count has changed", func() bool {
			action := g.agent.Status(b, policy(b, "default/"+job+"/web", nil)).History.LastAction
			if action != nil {
				took = append(took, action.Time.Sub(began).Seconds())
			}
			return action != nil
		})
		for range 2 {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took)*1e3, "to-count-ms")
}
