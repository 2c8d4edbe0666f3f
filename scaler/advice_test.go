package scaler_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestAdvice(t *testing.T) {
	const oscillates, stuck = "no hysteresis", "never scales down"
	for _, c := range []struct {
		name   string
		policy []string
		want   string // "" for none
		says   []string
	}{
		{"the defaults", nil, "", nil},
		{"the defaults of concurrency", []string{"metric", "concurrency"}, "", nil},
		{"half and more", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.5"}, oscillates, []string{"of 2 instances scales down", "fits on 1,", "below 0.4."}},
		{"exactly half", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.4"}, oscillates, nil},
		{"below half", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.39"}, "", nil},
		{"two instances are the minimum", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.5", "min_instances", "2"}, "", nil},
		{"still close at three", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.6", "min_instances", "2"}, oscillates, []string{"of 3 instances", "fits on 2,", "below 0.533."}},
		{"a buffer", []string{"scale_up_threshold", "0.8", "scale_down_threshold", "0.5", "buffer_instances", "2"}, oscillates, []string{"2 instances plus a buffer of 2"}},
		{"one instance", []string{"scale_down_threshold", "0.8", "max_instances", "1"}, "", nil},
		{"one instance and the buffer", []string{"scale_down_threshold", "0.8", "max_instances", "3", "buffer_instances", "2"}, "", nil},
		{"a fixed count", []string{"scale_down_threshold", "0.8", "min_instances", "4", "max_instances", "4"}, "", nil},
		{"less than a request", []string{"metric", "concurrency", "max_instances", "3"}, stuck, []string{"from 3 instances", "below 0.9 requests", "1 would be enough", "above 0.334."}},
		{"the remedy of that", []string{"metric", "concurrency", "max_instances", "3", "scale_down_threshold", "0.335"}, "", nil},
		{"less than a request, and no threshold is better", []string{"metric", "concurrency", "max_instances", "2"}, "", nil},
		{"a request a minute", []string{"target_requests_per_instance", "2", "scale_down_threshold", "0.1", "max_instances", "4"}, stuck, []string{"below 0.8 requests", "above 0.125."}},
		{"a load without a unit", []string{"metric", "custom", "target_per_instance", "1", "max_instances", "3"}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(t, c.policy...).Advice()
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %+v, want none", got)
				}
				return
			}
			if len(got) != 1 || got[0].Key != "scale_down_threshold" || !strings.Contains(got[0].Summary, c.want) {
				t.Fatalf("got %+v, want %q", got, c.want)
			}
			for _, words := range c.says {
				if text := got[0].Reason + got[0].Remedy; !strings.Contains(text, words) {
					t.Errorf("%q does not say %q", text, words)
				}
			}
		})
	}
}

// advised draws policies without cooldowns.
var advised = rapid.Custom(func(t *rapid.T) []string {
	least := rapid.IntRange(0, 5).Draw(t, "min")
	up := float64(rapid.IntRange(2, 40).Draw(t, "up")) / 20
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	return []string{
		"scale_up_cooldown", "0", "scale_down_cooldown", "0",
		"min_instances", strconv.Itoa(least),
		"max_instances", strconv.Itoa(least + rapid.IntRange(1, 8).Draw(t, "span")),
		"buffer_instances", strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "buffer")),
		"target_requests_per_instance", number(float64(rapid.IntRange(1, 40).Draw(t, "target")) / 4),
		"scale_up_threshold", number(up),
		"scale_down_threshold", number(up * float64(rapid.IntRange(1, 99).Draw(t, "down")) / 100),
	}
})

// decideAt is the decision at a count under a constant load.
func decideAt(p scaler.Policy, desired int, load float64) scaler.Direction {
	return scaler.Decide(p, scaler.Observation{Now: now, Desired: desired, Series: steady(load, 2*time.Minute)}).Direction
}

// The advice agrees with the decisions: an app oscillates around one load if and only
// if there is a warning, and an app that is said to never scale down with one request
// does not.
func TestAdviceIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := func(pairs ...string) scaler.Policy {
			p, err := scaler.Parse(document(pairs...))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		drawn := advised.Draw(t, "policy")
		p := policy(drawn...)
		var summary, remedy string
		for _, advice := range p.Advice() {
			summary, remedy = advice.Summary, advice.Remedy
		}
		oscillates, scalesDown := false, false
		for n := max(p.MinInstances+1, p.BufferInstances+2); n <= p.MaxInstances; n++ {
			fits := float64(n-1-p.BufferInstances) * p.ScaleUpThreshold * p.Target
			oscillates = oscillates || decideAt(p, n, fits*(1-1e-8)) == scaler.Down && decideAt(p, n-1, fits*(1+1e-8)) == scaler.Up
			scalesDown = scalesDown || decideAt(p, n, 1) == scaler.Down
		}
		if warned := strings.Contains(summary, "hysteresis"); warned != oscillates {
			t.Errorf("it oscillates: %t, and there is a warning: %t", oscillates, warned)
		}
		if strings.Contains(summary, "never") && scalesDown {
			t.Error("it scales down with one request")
		}
		if remedy == "" {
			return
		}
		limit, err := strconv.ParseFloat(strings.TrimSuffix(remedy[strings.LastIndex(remedy, " ")+1:], "."), 64)
		if err != nil {
			t.Fatal(err)
		}
		if limit *= 0.999; strings.Contains(remedy, "above") {
			limit *= 1.002
		}
		changed := policy(append(drawn, "scale_down_threshold", strconv.FormatFloat(limit, 'f', -1, 64))...)
		if again := changed.Advice(); len(again) > 0 {
			t.Errorf("after %q: %+v", remedy, again)
		}
	})
}
