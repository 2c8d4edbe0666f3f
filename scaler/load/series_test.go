package load_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// constant is a gateway that began to count at a time and has had n requests in flight
// since then.
func constant(n int, since, now time.Time) load.Series {
	m := load.NewMeter(since, time.Hour)
	for range n {
		m.Begin(since)
	}
	return m.Series(scaler.Concurrency, since, now)
}

func TestMergeAddsUp(t *testing.T) {
	got := load.Merge(constant(2, start, at(11)), constant(3, start, at(11.3)))
	want := load.Series{
		{Time: at(2.5), Value: 5}, {Time: at(7.5), Value: 5}, // on the grid
		{Time: at(11), Value: 5}, // the older answer's time
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMergeAlignsGatewaysThatAnswerAtDifferentTimes(t *testing.T) {
	early, late := load.NewMeter(start, time.Hour), load.NewMeter(start, time.Hour)
	late.Begin(at(8))
	late.End(at(8.1)) // after the grid's last point that early knows, before its own
	early.Begin(at(1))

	got := load.Merge(
		early.Series(scaler.Concurrency, start, at(7.6)),
		late.Series(scaler.Concurrency, start, at(14)),
	)
	want := load.Series{
		{Time: at(2.5), Value: 1}, {Time: at(7.5), Value: 1},
		{Time: at(7.6), Value: 2}, // the highest since the last point
		{Time: at(7.6), Value: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The time of an answer may lie on the grid.
func TestMergeOfAnAnswerOnTheGrid(t *testing.T) {
	m := load.NewMeter(start, time.Hour)
	m.Begin(at(7.8))
	m.End(at(7.9))
	got := load.Merge(constant(2, start, at(7.5)), m.Series(scaler.Concurrency, start, at(8)))
	want := load.Series{
		{Time: at(2.5), Value: 2}, {Time: at(7.5), Value: 2},
		{Time: at(7.5), Value: 3}, {Time: at(7.5), Value: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A gateway that has just started does not know the load before: an app that was idle
// at the others may have been busy there.
func TestMergeBeginsWithTheLatestGateway(t *testing.T) {
	old, fresh := constant(0, start, at(700)), constant(0, at(650), at(700))
	merged := load.Merge(old, fresh)
	if first := merged[0].Time; !first.After(at(650)) || first.Sub(at(650)) > load.GridStep {
		t.Errorf("begins at %v; the latest gateway began at %v", first, at(650))
	}

	p, err := scaler.Parse(scaler.Document{"namespace": "default", "job": "web", "group": "app", "min_instances": "0"})
	if err != nil {
		t.Fatal(err)
	}
	decide := func(series load.Series) scaler.Rule {
		return scaler.Decide(p, scaler.Observation{Now: at(700), Desired: 1, Series: series}).Rule
	}
	if rule := decide(old); rule != scaler.RuleInactive {
		t.Errorf("the old gateway alone: %s", rule)
	}
	if rule := decide(merged); rule != scaler.RuleHold {
		t.Errorf("with the fresh one: %s", rule)
	}
	if merged := load.Merge(old, constant(0, at(700), at(700))); len(merged) != 1 || merged[0].Value != 0 {
		t.Errorf("with one that starts just now: %v", merged)
	}
}

func TestMergeOfAGatewayWithoutAnAnswerIsNotKnown(t *testing.T) {
	busy := constant(7, start, at(60))
	for name, all := range map[string][]load.Series{
		"no answer":    {busy, nil},
		"empty answer": {{}, busy},
		"not a number": {busy, {{Time: at(60), Value: math.NaN()}}},
	} {
		merged := load.Merge(all...)
		if len(merged) != 1 || !math.IsNaN(merged[0].Value) || !merged[0].Time.Equal(at(60)) {
			t.Errorf("%s: %v", name, merged)
		}
	}
	for name, all := range map[string][]load.Series{
		"no gateway":            nil,
		"no answer from either": {nil, nil},
	} {
		if merged := load.Merge(all...); len(merged) > 0 {
			t.Errorf("%s: %v", name, merged)
		}
	}
}

func TestMergeLeavesOutWhatOneDoesNotKnow(t *testing.T) {
	known := constant(1, start, at(11))
	holed := load.Series{{Time: at(2.5), Value: math.NaN()}, {Time: at(7.5), Value: 1}, {Time: at(11), Value: 1}}
	want := load.Series{{Time: at(7.5), Value: 2}, {Time: at(11), Value: 2}}
	if diff := cmp.Diff(want, load.Merge(known, holed)); diff != "" {
		t.Error(diff)
	}
}

// The sum of one gateway is its own series, and several add up at every point.
func TestMergeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metric := rapid.SampledFrom(metrics).Draw(t, "metric")
		var all []load.Series
		for range rapid.IntRange(1, 4).Draw(t, "gateways") {
			now := start.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "since")) * time.Millisecond)
			m := load.NewMeter(now, time.Hour)
			inProgress := 0
			for range rapid.IntRange(0, 30).Draw(t, "events") {
				now = now.Add(time.Duration(rapid.IntRange(0, 5_000).Draw(t, "passes")) * time.Millisecond)
				if inProgress == 0 || rapid.Bool().Draw(t, "begin") {
					m.Begin(now)
					inProgress++
				} else {
					m.End(now)
					inProgress--
				}
			}
			now = later(now, at(float64(rapid.IntRange(0, 200).Draw(t, "answers")))).Add(time.Millisecond)
			all = append(all, m.Series(metric, start, now))
		}
		merged := load.Merge(all...)

		if len(all) == 1 && !now(all[0]).Equal(now(all[0]).Truncate(load.GridStep)) {
			if diff := cmp.Diff(all[0], merged); diff != "" {
				t.Fatalf("one gateway is not its own sum:\n%s", diff)
			}
		}
		sum, oldest, begins := 0.0, now(all[0]), start
		for _, s := range all {
			sum += s[len(s)-1].Value
			if now(s).Before(oldest) {
				oldest = now(s)
			}
			begins = later(begins, s[0].Time)
		}
		newest := merged[len(merged)-1]
		if newest.Value != sum || !newest.Time.Equal(oldest) {
			t.Fatalf("the newest is %v at %v, want %v at %v", newest.Value, newest.Time, sum, oldest)
		}
		for i, sample := range merged[:len(merged)-1] {
			if i > 0 && !sample.Time.After(merged[i-1].Time) {
				t.Fatalf("%v follows %v", sample.Time, merged[i-1].Time)
			}
			if sample.Time.Equal(oldest) {
				if sample.Value <= sum {
					t.Fatalf("a peak of %v and a load of %v", sample.Value, sum)
				}
				continue
			}
			if sample.Time.Before(begins) {
				t.Fatalf("a sample at %v, and the latest gateway began at %v", sample.Time, begins)
			}
			together := 0.0
			for _, s := range all {
				for _, own := range s {
					if own.Time.Equal(sample.Time) {
						together += own.Value
						break
					}
				}
			}
			if sample.Value != together {
				t.Fatalf("%v at %v, want %v", sample.Value, sample.Time, together)
			}
		}
	})
}

func now(s load.Series) time.Time { return s[len(s)-1].Time }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestSeriesJSON(t *testing.T) {
	s := load.Series{{Time: at(2.5), Value: 1.5}, {Time: at(7.5), Value: math.NaN()}}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"time":"2026-11-22T12:00:05Z","value":1.5},{"time":"2026-11-22T12:00:10Z","value":null}]`
	if string(text) != want {
		t.Errorf("written as %s", text)
	}
	var back load.Series
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if len(back) != 2 || back[0] != s[0] || !math.IsNaN(back[1].Value) {
		t.Errorf("read as %v", back)
	}
	for text, want := range map[string]string{
		`[{"time":"2026-11-22T12:00:05Z","value":-1}]`:                                           "value = -1 at 2026-11-22T12:00:05Z: must be at least 0",
		`[{"time":"2026-11-22T12:00:05Z","value":1},{"time":"2026-11-22T12:00:00Z","value":1}]`:  "time = 2026-11-22T12:00:00Z: must not be before",
		`[{"time":"2026-11-22T12:00:05Z","value":"1"}]`:                                          "cannot unmarshal",
		`[{"time":"2026-11-22T12:00:05Z","value":1,"repeat":-1}]`:                                "repeat = -1 at 2026-11-22T12:00:05Z: must be at least 0",
		`[{"value":1,"repeat":4194303},{"value":1}]`:                                             "at most 4194304 samples",
		`[{"time":"2026-11-22T12:00:05Z","value":1,"repeat":1},{"time":"2026-11-22T12:00:08Z"}]`: "must not be before",
		`[{"time":"yesterday","value":1}]`:                                                       "yesterday",
		`{"time":"2026-11-22T12:00:05Z"}`:                                                        "cannot unmarshal",
	} {
		if err := json.Unmarshal([]byte(text), &back); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// A constant load takes the same space however long it lasts.
func TestSteadyLoadIsShortInJSON(t *testing.T) {
	s := load.Series{{Time: at(2.5), Value: 3}}
	for i := range 132 {
		s = append(s, scaler.Sample{Time: at(7.5 + 5*float64(i)), Value: 0})
	}
	s = append(s, scaler.Sample{Time: at(664), Value: 0})
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"time":"2026-11-22T12:00:05Z","value":3},{"time":"2026-11-22T12:00:10Z","value":0,"repeat":131},{"time":"2026-11-22T12:11:06.5Z","value":0}]`
	if string(text) != want {
		t.Errorf("written as %s", text)
	}
	var back load.Series
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotJSON(t *testing.T) {
	s := load.Snapshot{Since: at(-2.5), Now: at(7.5), InFlight: 3, Queued: 2, RequestsPerMinute: 9, Concurrency: 5}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"since":"2026-11-22T12:00:00Z","now":"2026-11-22T12:00:10Z","in_flight":3,"queued":2,"requests_per_minute":9,"concurrency":5}`
	if string(text) != want {
		t.Errorf("written as %s", text)
	}
	var back load.Snapshot
	if err := json.Unmarshal(text, &back); err != nil || back != s {
		t.Errorf("read as %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"queued":-1}`), &back); err == nil || err.Error() != "queued = -1: must be at least 0" || back != s {
		t.Errorf("a negative count: %v, %+v", err, back)
	}
}

func FuzzSnapshotJSON(f *testing.F) {
	f.Add([]byte(`{"since":"2026-11-22T12:00:00Z","now":"2026-11-22T12:00:10Z","in_flight":3,"queued":2,"requests_per_minute":9,"concurrency":5}`))
	f.Add([]byte(`{"in_flight":-1}`))
	f.Add([]byte(`{"queued":1e3,"now":"0000-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s load.Snapshot
		if json.Unmarshal(text, &s) != nil {
			return
		}
		if s.InFlight < 0 || s.Queued < 0 || s.RequestsPerMinute < 0 || s.Concurrency < 0 {
			t.Errorf("a negative count: %+v", s)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back load.Snapshot
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Error(diff)
		}
	})
}

// Merging never panics, whatever a gateway answers, and the newest load is either not
// negative or not known.
func FuzzSeriesJSON(f *testing.F) {
	f.Add([]byte(`[{"time":"2026-11-22T12:00:05Z","value":1.5},{"time":"2026-11-22T12:00:10Z","value":null}]`))
	f.Add([]byte(`[{"time":"0000-01-01T00:00:00Z","value":0},{"time":"9999-12-31T23:59:59.999999999Z","value":1e308}]`))
	f.Add([]byte(`[{},{"value":0}]`))
	f.Add([]byte(`[{"time":"2026-11-22T12:00:05Z","value":0,"repeat":131},{"time":"2026-11-22T12:11:03.2Z","value":0}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s load.Series
		if json.Unmarshal(text, &s) != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back load.Series
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatal(err)
		}
		for i := range s {
			if !back[i].Time.Equal(s[i].Time) || back[i].Value != s[i].Value && !math.IsNaN(s[i].Value) {
				t.Errorf("%v is read back as %v", s[i], back[i])
			}
		}
		merged := load.Merge(s, constant(1, start, at(30)))
		newest := merged[len(merged)-1]
		if len(s) == 0 && !math.IsNaN(newest.Value) {
			t.Errorf("no answer is read as %v", newest.Value)
		}
		if newest.Value < 0 {
			t.Errorf("a load of %v", newest.Value)
		}
		for i := 1; i < len(merged); i++ {
			if merged[i].Time.Before(merged[i-1].Time) {
				t.Errorf("%v follows %v", merged[i].Time, merged[i-1].Time)
			}
		}
	})
}
