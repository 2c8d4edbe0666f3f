package scaler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// The configurations that Hypha documents, with the thresholds that it gives
// for them in requests a minute of one instance.
func TestHyphaConfigurations(t *testing.T) {
	cases := []struct {
		name      string
		policy    []string
		min, max  int
		above     float64 // requests a minute that one instance just carries
		below     float64 // requests a minute that just keep an instance
		upAfter   time.Duration
		downAfter time.Duration
	}{
		{
			name: "quick start",
			policy: []string{
				"min_instances", "1", "max_instances", "3", "target_requests_per_instance", "20",
				"scale_up_threshold", "0.8", "scale_down_threshold", "0.3", "scale_up_cooldown", "30", "scale_down_cooldown", "60",
			},
			min: 1, max: 3, above: 16, below: 6, upAfter: 30 * time.Second, downAfter: time.Minute,
		},
		{
			name: "FastAPI",
			policy: []string{
				"min_instances", "1", "max_instances", "4", "target_requests_per_instance", "30",
				"scale_up_threshold", "0.8", "scale_down_threshold", "0.3", "scale_up_cooldown", "45", "scale_down_cooldown", "90",
			},
			min: 1, max: 4, above: 24, below: 9, upAfter: 45 * time.Second, downAfter: 90 * time.Second,
		},
		{
			name: "AI model server",
			policy: []string{
				"min_instances", "2", "max_instances", "8", "target_requests_per_instance", "60",
				"scale_up_threshold", "0.8", "scale_down_threshold", "0.4", "scale_up_cooldown", "60", "scale_down_cooldown", "300",
				"stop_after_inactive", "3600",
			},
			min: 2, max: 8, above: 48, below: 24, upAfter: time.Minute, downAfter: 5 * time.Minute,
		},
	}
	for _, c := range cases {
		p := parse(t, c.policy...)
		decide := func(desired int, perInstance float64, since time.Duration) scaler.Decision {
			return scaler.Decide(p, scaler.Observation{
				Now: now, Desired: desired, Series: steady(float64(desired)*perInstance, time.Minute),
				LastUp: ago(since), LastChange: ago(since),
			})
		}
		for n := c.min; n <= c.max; n++ {
			t.Run(fmt.Sprintf("%s with %d", c.name, n), func(t *testing.T) {
				up, down := min(n+1, c.max), max(n-1, c.min)
				for _, check := range []struct {
					load  float64
					since time.Duration
					want  int
				}{
					{c.above, time.Hour, n},
					{c.above + 0.1, time.Hour, up},
					{c.above + 0.1, c.upAfter - 1, n},
					{c.above + 0.1, c.upAfter, up},
					{c.below, time.Hour, n},
					{c.below - 0.1, time.Hour, down},
					{c.below - 0.1, c.downAfter - 1, n},
					{c.below - 0.1, c.downAfter, down},
				} {
					if d := decide(n, check.load, check.since); d.Count != check.want {
						t.Errorf("%v a minute each, %v after the last change: %d, want %d (%s)", check.load, check.since, d.Count, check.want, d.Reason())
					}
				}
			})
		}
		if d := decide(0, 0, time.Hour); d.Count != c.min {
			t.Errorf("%s: starts %d, want %d", c.name, d.Count, c.min)
		}
	}
}

// The six minutes of Modal's example: 0, 1, 5, 20, 2 and 0 requests at a time,
// with at most 10 instances of one request each.
func TestModalExample(t *testing.T) {
	requests := []float64{0, 1, 5, 20, 2, 0}
	for buffer, want := range map[string][]int{
		"0": {0, 1, 5, 10, 2, 0},
		"1": {0, 2, 6, 10, 3, 0},
	} {
		t.Run("buffer "+buffer, func(t *testing.T) {
			p := parse(t,
				"min_instances", "0", "max_instances", "10", "buffer_instances", buffer,
				"metric", "concurrency", "scale_up_cooldown", "0", "scale_down_cooldown", "0",
				"scale_up_step", "0", "scale_down_step", "0", "stop_after_inactive", "30s",
			)
			var o scaler.Observation
			at := now
			for minute, load := range requests {
				for range 6 {
					at = at.Add(10 * time.Second)
					o.Now = at
					o.Series = append(o.Series, scaler.Sample{Time: at, Value: load})
					d := scaler.Decide(p, o)
					if d.Count != o.Desired {
						o.LastChange = at
					}
					if d.StartsUpCooldown() {
						o.LastUp = at
					}
					o.Desired = d.Count
				}
				if o.Desired != want[minute] {
					t.Errorf("minute %d with %v requests at a time: %d instances, want %d", minute, load, o.Desired, want[minute])
				}
			}
		})
	}
}
