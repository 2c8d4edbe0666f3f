package simulate_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// after is a time of a trace without a date.
func after(d time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(d) }

// moves are the actions in a short form.
func moves(r simulate.Result) []string {
	var all []string
	for _, a := range r.Actions {
		all = append(all, strings.Join([]string{
			r.FormatTime(a.Time), string(rune('0' + a.From)), "to", string(rune('0' + a.To)), string(a.Rule),
		}, " "))
	}
	return all
}

func expect[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// counted is the count at a time.
func counted(r simulate.Result, at time.Time) (c simulate.Count) {
	for _, next := range r.Counts {
		if !next.Time.After(at) {
			c = next
		}
	}
	return c
}

// The six minutes of Modal's example: 0, 1, 5, 20, 2 and 0 requests at a time,
// with at most 10 instances of one request each that take 4 seconds to start.
func TestModalExample(t *testing.T) {
	for buffer, want := range map[string][]int{
		"0": {0, 1, 5, 10, 2, 0},
		"1": {0, 2, 6, 10, 3, 0},
	} {
		t.Run("buffer "+buffer, func(t *testing.T) {
			p := policy(t,
				"min_instances", "0", "max_instances", "10", "buffer_instances", buffer,
				"metric", "concurrency", "scale_up_cooldown", "0", "scale_down_cooldown", "0",
				"scale_up_step", "0", "scale_down_step", "0", "stop_after_inactive", "30s",
				"price_per_instance_second", "0.000059",
			)
			r := run(t, p, shape(t, "steps:0@0s,1@1m,5@2m,20@3m,2@4m,0@5m", 0), simulate.Options{StartDelay: 4 * time.Second})
			expect(t, "length", r.Length(), 6*time.Minute)
			for minute, count := range want {
				at := after(time.Duration(minute+1)*time.Minute - time.Second)
				expect(t, r.FormatTime(at), counted(r, at), simulate.Count{Time: counted(r, at).Time, Desired: count, Ready: count})
			}
			expect(t, "count at the very second of the first request", counted(r, after(time.Minute)).Desired, want[1])
			expect(t, "nothing is ready before", counted(r, after(64*time.Second-1)).Ready, 0)
			expect(t, "cold starts", r.ColdStarts, 1)
			expect(t, "time waiting for the first instance", r.ColdTime, 4*time.Second)
			expect(t, "requests that waited", r.ColdRequests, 1.0)
			if r.Cost != r.InstanceSeconds*0.000059 || r.Cost == 0 {
				t.Errorf("%v instance-seconds cost %v", r.InstanceSeconds, r.Cost)
			}
		})
	}
}

// Hypha's quick start: at most 3 instances of 20 requests a minute, cooldowns of
// 30 and 60 seconds, a step of one.
func TestHyphaQuickStart(t *testing.T) {
	p := policy(t,
		"min_instances", "1", "max_instances", "3", "target_requests_per_instance", "20",
		"scale_up_threshold", "0.8", "scale_down_threshold", "0.3", "scale_up_cooldown", "30", "scale_down_cooldown", "60",
	)
	r := run(t, p, shape(t, "steps:10@0s,60@1m,4@6m", 0), simulate.Options{})
	expect(t, "actions", moves(r), []string{
		"1m 1 to 2 up",
		"1m30s 2 to 3 up",
		"6m 3 to 2 down",
		"7m 2 to 1 down",
	})
	// 1 for 60 s, 2 for 30 s, 3 for 270 s, 2 for 60 s, 1 until 11m.
	expect(t, "instance-seconds", r.InstanceSeconds, 60.0+60+810+120+240)
	expect(t, "cold starts", r.ColdStarts, 0)
	expect(t, "peak", r.PeakCount, 3)
	expect(t, "reason", r.Actions[0].Reason, "60 requests a minute is 300 % of 1 instance, above 80 %; 3 instances called for (the maximum), 2 for now by scale_up_step")
}

func TestTheGatewayDecidesBetweenEvaluations(t *testing.T) {
	p := policy(t, "min_instances", "0", "scale_up_cooldown", "25s")
	tr := shape(t, "steps:0@0s,60@13s,550@17s,700@21s", time.Minute)
	expect(t, "with it", moves(run(t, p, tr, simulate.Options{})), []string{
		"13s 0 to 1 activate",
		"17s 1 to 2 up",
		"42s 2 to 3 up", // as soon as the cooldown is over
	})
	expect(t, "without it", moves(run(t, p, tr, simulate.Options{WithoutGateway: true})), []string{
		"20s 0 to 7 activate",
		"30s 7 to 8 up",
	})
	custom := policy(t, "min_instances", "0", "metric", "custom", "target_per_instance", "100")
	expect(t, "of a custom metric it knows nothing", moves(run(t, custom, tr, simulate.Options{})), []string{
		"20s 0 to 7 activate",
		"30s 7 to 8 up",
	})
}

// Without a cooldown the gateway scales up by its step every second.
func TestTheGatewayGrowsStepByStep(t *testing.T) {
	p := policy(t, "scale_up_cooldown", "0", "scale_up_step", "2")
	r := run(t, p, shape(t, "steps:10@0s,500@13s", time.Minute), simulate.Options{})
	expect(t, "actions", moves(r), []string{"13s 1 to 3 up", "14s 3 to 5 up", "15s 5 to 6 up"})
}

func TestStartDelay(t *testing.T) {
	p := policy(t, "min_instances", "1", "scale_up_step", "0", "scale_up_cooldown", "0", "scale_down_step", "0", "scale_down_cooldown", "20s")
	tr := shape(t, "steps:10@0s,450@1m,100@2m,450@3m,10@3m20s", 5*time.Minute)
	r := run(t, p, tr, simulate.Options{StartDelay: 30 * time.Second})
	expect(t, "counts", r.Counts, []simulate.Count{
		{Time: after(0), Desired: 1, Ready: 1},
		{Time: after(60 * time.Second), Desired: 5, Ready: 1},
		{Time: after(90 * time.Second), Desired: 5, Ready: 5},
		{Time: after(120 * time.Second), Desired: 2, Ready: 2},
		{Time: after(180 * time.Second), Desired: 5, Ready: 2},
		// The starting instances have the highest indexes, so they stop first.
		{Time: after(200 * time.Second), Desired: 1, Ready: 1},
	})
	// 450 a minute is above the target of 1 ready instance, and of 2.
	expect(t, "time above the target", r.AboveTarget, 50*time.Second)
	expect(t, "peak utilisation", r.PeakUtilisation, 4.5)
	expect(t, "instance-seconds", r.InstanceSeconds, 60.0+5*60+2*60+5*20+100)
}

func TestColdStarts(t *testing.T) {
	p := policy(t, "min_instances", "0", "stop_after_inactive", "60s")
	tr := shape(t, "steps:0@0s,120@35s,0@2m,30@4m,0@5m", 10*time.Minute)
	r := run(t, p, tr, simulate.Options{StartDelay: 6 * time.Second, WithoutGateway: true})
	expect(t, "actions", moves(r), []string{
		"40s 0 to 2 activate", "3m 2 to 0 inactive",
		"4m 0 to 1 activate", "6m 1 to 0 inactive",
	})
	expect(t, "cold starts", r.ColdStarts, 2)
	expect(t, "time waiting", r.ColdTime, (5+6+6)*time.Second)
	// 11 seconds of 2 a second, and 6 seconds of one in two.
	expect(t, "requests that waited", r.ColdRequests, 22.0+3)
}

// While the load is not known, nothing happens, and no figure counts it.
func TestUnknownLoad(t *testing.T) {
	p := policy(t, "min_instances", "0", "stop_after_inactive", "60s")
	tr, err := trace.ParseCSV([]byte("time,requests_per_minute\n0s,90\n60s,\n600s,0\n900s,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, p, tr, simulate.Options{})
	expect(t, "actions", moves(r), []string{"0s 0 to 1 activate", "11m 1 to 0 inactive"})
	expect(t, "unknown", r.LoadUnknown, 9*time.Minute)
	expect(t, "mean load", r.MeanLoad, 90.0*60/660)
}

func TestFigures(t *testing.T) {
	p := policy(t, "min_instances", "2", "max_instances", "2", "price_per_instance_second", "0.5")
	r := run(t, p, shape(t, "steps:100@0s,190@60s,400@90s", 100*time.Second), simulate.Options{})
	expect(t, "mean load", r.MeanLoad, (6000.0+5700+4000)/100)
	expect(t, "peak load", r.PeakLoad, 400.0)
	expect(t, "mean utilisation", r.MeanUtilisation, (0.5*60+0.95*30+2*10)/100)
	expect(t, "peak utilisation", r.PeakUtilisation, 2.0)
	expect(t, "above the threshold", r.AboveThreshold, 40*time.Second)
	expect(t, "above the target", r.AboveTarget, 10*time.Second)
	expect(t, "instance-seconds", r.InstanceSeconds, 200.0)
	expect(t, "cost", r.Cost, 100.0)
	expect(t, "mean count", r.MeanCount, 2.0)
	expect(t, "counts", r.Counts, []simulate.Count{{Time: after(0), Desired: 2, Ready: 2}})
}

// A load that is exactly at the threshold is not above it.
func TestExactlyAtTheThresholdIsNotAbove(t *testing.T) {
	p := policy(t, "min_instances", "3", "target_requests_per_instance", "10")
	r := run(t, p, shape(t, "constant:27", time.Minute), simulate.Options{})
	expect(t, "above the threshold", r.AboveThreshold, 0)
	expect(t, "actions", len(r.Actions), 0)
}

func TestLinearLoad(t *testing.T) {
	tr, err := trace.ParseCSV([]byte("time,load\n0s,0\n100s,100\n"))
	if err != nil {
		t.Fatal(err)
	}
	tr.Linear = true
	p := policy(t, "min_instances", "1", "max_instances", "1")
	r := run(t, p, tr, simulate.Options{To: after(100 * time.Second)})
	if math.Abs(r.MeanLoad-50) > 1e-9 || r.PeakLoad != 100 {
		t.Errorf("mean %v and peak %v, want 50 and 100", r.MeanLoad, r.PeakLoad)
	}
	expect(t, "above the threshold", r.AboveThreshold, 10*time.Second)
}

// The time before the window determines its first count, and nothing else.
func TestWindow(t *testing.T) {
	p := policy(t, "min_instances", "0", "price_per_instance_second", "1")
	tr := shape(t, "sine:0..900/2h", 6*time.Hour)
	whole := run(t, p, tr, simulate.Options{StartDelay: 7 * time.Second})
	from, to := after(2*time.Hour+13*time.Second), after(4*time.Hour+17*time.Minute)
	part := run(t, p, tr, simulate.Options{StartDelay: 7 * time.Second, From: from, To: to})
	before := run(t, p, tr, simulate.Options{StartDelay: 7 * time.Second, To: from})
	rest := run(t, p, tr, simulate.Options{StartDelay: 7 * time.Second, From: to})

	var actions []simulate.Action
	for _, a := range whole.Actions {
		if !a.Time.Before(from) && a.Time.Before(to) {
			actions = append(actions, a)
		}
	}
	expect(t, "actions", part.Actions, actions)
	first := counted(whole, from)
	first.Time = from
	expect(t, "first count", part.Counts[0], first)
	sum := before.InstanceSeconds + part.InstanceSeconds + rest.InstanceSeconds
	if math.Abs(sum-whole.InstanceSeconds) > 1e-6 {
		t.Errorf("the parts have %v instance-seconds, the whole %v", sum, whole.InstanceSeconds)
	}
	expect(t, "time above the threshold", before.AboveThreshold+part.AboveThreshold+rest.AboveThreshold, whole.AboveThreshold)
	if len(actions) < 10 {
		t.Errorf("only %d actions are in the window", len(actions))
	}
}

func TestSameInputSameOutput(t *testing.T) {
	p := policy(t, "min_instances", "0", "price_per_instance_second", "0.000059")
	tr := shape(t, "business-day", 48*time.Hour)
	a, b := run(t, p, tr, simulate.Options{StartDelay: 5 * time.Second}), run(t, p, tr, simulate.Options{StartDelay: 5 * time.Second})
	if !reflect.DeepEqual(a, b) {
		t.Error("two runs differ")
	}
	first, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("the JSON of two runs differs")
	}
}

func TestRunRefuses(t *testing.T) {
	p := policy(t)
	tr := shape(t, "constant:1", time.Hour)
	dated, err := trace.ParseCSV([]byte("time,concurrency\n2026-11-22T00:00:00Z,1\n2026-11-23T00:00:00Z,1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		trace   trace.Trace
		options simulate.Options
		want    string
	}{
		{"no points", trace.Trace{}, simulate.Options{}, "the trace has no points"},
		{"another metric", dated, simulate.Options{}, "the load is in concurrency, and the policy's metric is requests_per_minute: they must be the same"},
		{"step", tr, simulate.Options{Step: -1}, `step = "-1ns": must be above 0, and at most 100 years`},
		{"short step", tr, simulate.Options{Step: time.Microsecond}, `step = "1µs": must be longer: the trace has more than 40000000 steps`},
		{"start delay", tr, simulate.Options{StartDelay: -time.Second}, `start delay = "-1s": must be 0 or more, and at most 100 years`},
		{"from", tr, simulate.Options{From: after(-time.Second)}, `from = "-1s": must be at least 0s, the start of the trace, and before 1h`},
		{"from and to", tr, simulate.Options{From: after(time.Minute), To: after(time.Minute)}, `from = "1m": must be at least 0s, the start of the trace, and before 1m`},
		{"to", tr, simulate.Options{To: after(2 * time.Hour)}, `to = "2h": must be at most 1h, the end of the trace`},
	} {
		if _, err := simulate.Run(p, c.trace, c.options); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

// A disabled policy keeps its count.
func TestDisabled(t *testing.T) {
	p := policy(t, "min_instances", "2")
	p.Enabled = false
	r := run(t, p, shape(t, "constant:5000", 0), simulate.Options{})
	if len(r.Actions) > 0 || r.MeanCount != 2 {
		t.Errorf("%v, %v instances in the mean", r.Actions, r.MeanCount)
	}
}

func TestExtremesStayFinite(t *testing.T) {
	p := policy(t,
		"max_instances", "1000000000", "scale_up_step", "0", "target_requests_per_instance", "1e-300",
		"scale_up_cooldown", "2562047h", "scale_down_cooldown", "2562047h", "stop_after_inactive", "2562047h",
		"price_per_instance_second", "1e300",
	)
	tr := shape(t, "sine:0..1e15/1h", 24*time.Hour)
	r := run(t, p, tr, simulate.Options{StartDelay: 100 * 365 * 24 * time.Hour})
	if text, err := json.Marshal(r); err != nil || !json.Valid(text) {
		t.Errorf("JSON %s: %v", text, err)
	}
}
