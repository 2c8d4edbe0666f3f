package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// start is not on the grid, which has points at :00, :05 and so on.
var start = time.Date(2026, 11, 22, 12, 0, 2, 500_000_000, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

var metrics = []scaler.Metric{scaler.RequestsPerMinute, scaler.Concurrency}

func TestRequestsInProgressAreLoad(t *testing.T) {
	m := load.NewMeter(start, time.Hour)
	want := func(seconds float64, inFlight, queued, requestsPerMinute int) {
		t.Helper()
		diff := cmp.Diff(load.Snapshot{
			Since: start, Now: at(seconds), InFlight: inFlight, Queued: queued,
			RequestsPerMinute: requestsPerMinute, Concurrency: inFlight + queued,
		}, m.Snapshot(at(seconds)))
		if diff != "" {
			t.Errorf("after %v seconds:\n%s", seconds, diff)
		}
	}
	want(0, 0, 0, 0)

	m.Begin(at(1)) // a short one
	want(1, 1, 0, 1)
	m.End(at(1.2))
	want(1.2, 0, 0, 1)

	m.Begin(at(2)) // one that waits, is served and takes long
	m.Enqueue()
	want(2, 0, 1, 2)
	m.Dequeue()
	want(10, 1, 0, 2)

	m.Begin(at(20)) // one that waits in vain
	m.Enqueue()
	m.Dequeue()
	m.End(at(30))
	want(30, 1, 0, 3)

	want(60, 1, 0, 3)
	want(61, 1, 0, 2) // the short one ended a minute ago
	want(600, 1, 0, 1)
	m.End(at(601))
	want(660, 0, 0, 1)
	want(661, 0, 0, 0)
}

func samples(series load.Series) map[string]float64 {
	m := make(map[string]float64, len(series))
	for _, s := range series {
		m[s.Time.Format("05.0")] = s.Value
	}
	return m
}

func TestSeriesLiesOnTheGrid(t *testing.T) {
	m := load.NewMeter(start, time.Hour) // 12:00:02.5
	m.Begin(at(1))
	m.Begin(at(2))
	m.End(at(2.1))
	m.End(at(2.2)) // 12:00:04.7
	m.Begin(at(20))

	want := map[string]float64{"05.0": 2, "10.0": 0, "15.0": 0, "20.0": 0, "24.5": 1}
	if diff := cmp.Diff(want, samples(m.Series(scaler.Concurrency, start, at(22)))); diff != "" {
		t.Error("concurrency", diff)
	}
	want = map[string]float64{"05.0": 2, "10.0": 2, "15.0": 2, "20.0": 2, "24.5": 3}
	if diff := cmp.Diff(want, samples(m.Series(scaler.RequestsPerMinute, start, at(22)))); diff != "" {
		t.Error("requests_per_minute", diff)
	}
	want = map[string]float64{"15.0": 0, "20.0": 0, "24.5": 1}
	if diff := cmp.Diff(want, samples(m.Series(scaler.Concurrency, at(15), at(22)))); diff != "" {
		t.Error("from 12:00:17.5", diff)
	}
	if s := m.Series(scaler.Custom, start, at(22)); len(s) > 0 {
		t.Error("custom", s)
	}
}

// A request that began and ended since the grid's last point is visible at once.
func TestSeriesShowsAShortRequestBeforeTheNextPoint(t *testing.T) {
	p, err := scaler.Parse(scaler.Document{
		"namespace": "default", "job": "web", "group": "app",
		"min_instances": "0", "metric": "concurrency", "stop_after_inactive": "10s",
	})
	if err != nil {
		t.Fatal(err)
	}
	m := load.NewMeter(start, load.Retention(p))
	decide := func(now time.Time) scaler.Rule {
		return scaler.Decide(p, scaler.Observation{Now: now, Desired: 1, Series: m.Series(p.Metric, now.Add(-load.Retention(p)), now)}).Rule
	}
	if rule := decide(at(120)); rule != scaler.RuleInactive {
		t.Fatalf("an app without requests: %s", rule)
	}
	m.Begin(at(120.1))
	m.End(at(120.2))
	if rule := decide(at(121)); rule != scaler.RuleHold {
		t.Errorf("a second after a request: %s", rule)
	}
	if rule := decide(at(129)); rule != scaler.RuleHold {
		t.Errorf("nine seconds after a request: %s", rule)
	}
	if rule := decide(at(140)); rule != scaler.RuleInactive {
		t.Errorf("twenty seconds after a request: %s", rule)
	}
}

// The load before the meter was made is not known.
func TestSeriesBeginsWithTheMeter(t *testing.T) {
	for _, since := range []time.Time{at(0), at(2.5), at(7.4)} { // the second is on the grid
		m := load.NewMeter(since, time.Hour)
		s := m.Series(scaler.Concurrency, since.Add(-time.Hour), since)
		if len(s) != 1 || !s[0].Time.Equal(since) {
			t.Errorf("at once: %v", s)
		}
		s = m.Series(scaler.Concurrency, since.Add(-time.Hour), since.Add(time.Minute))
		if first := s[0].Time; !first.After(since) || first.Sub(since) > load.GridStep {
			t.Errorf("a meter from %v begins at %v", since, first)
		}
	}
}

func TestClockThatIsSetBack(t *testing.T) {
	m := load.NewMeter(start, time.Hour)
	m.Begin(at(100))
	m.Begin(at(100.1))
	m.End(at(99.8)) // another processor's clock
	if s := m.Snapshot(at(98)); s.RequestsPerMinute != 2 || s.InFlight != 1 || !s.Now.Equal(at(99.5)) {
		t.Errorf("a little: %+v", s)
	}

	// An hour: what is in progress is known, and nothing else.
	s := m.Snapshot(at(-3600))
	if s.InFlight != 1 || s.RequestsPerMinute != 1 || !s.Since.Equal(at(-3600)) {
		t.Errorf("an hour: %+v", s)
	}
	if series := m.Series(scaler.Concurrency, at(-7200), at(-3590)); !series[0].Time.After(at(-3600)) || len(series) != 3 {
		t.Errorf("an hour: %v", series)
	}
}

func TestRetention(t *testing.T) {
	for stop, want := range map[time.Duration]time.Duration{
		10 * time.Second: 2 * time.Minute, // the trailing minute that Decide needs, and the margin
		10 * time.Minute: 11 * time.Minute,
		1<<63 - 1:        1<<63 - 1,
	} {
		if d := load.Retention(scaler.Policy{StopAfterInactive: stop}); d != want {
			t.Errorf("%v: %v, want %v", stop, d, want)
		}
	}
}

// An idle app takes no memory for its history, and a busy app takes what its
// retention allows.
func TestHistoryIsBounded(t *testing.T) {
	m := load.NewMeter(start, 10*time.Minute)
	for second := range 3600 {
		for range second % 7 {
			m.Begin(at(float64(second)))
		}
		for range second % 7 {
			m.End(at(float64(second) + 0.5))
		}
	}
	if n := load.Runs(m); n < 60 || n > 122 {
		t.Errorf("busy: %d runs for the 120 points of 10 minutes", n)
	}

	m.Retain(time.Minute)
	m.Snapshot(at(3601))
	if n := load.Runs(m); n > 14 {
		t.Errorf("after the retention shrank: %d runs for the 12 points of a minute", n)
	}

	day := 24 * time.Hour
	m.Retain(day)
	m.Snapshot(at(3600 + 70))
	before := load.Runs(m)
	s := m.Series(scaler.RequestsPerMinute, at(3600+600), at(3600+7*24*3600))
	for second := range 1000 {
		m.Snapshot(at(float64(3600 + 7*24*3600 + second)))
	}
	if after := load.Runs(m); after > before+1 {
		t.Errorf("a week without requests: %d runs, %d before it", after, before)
	}
	if len(s) < 7*24*3600/5-150 || s[0].Value != 0 {
		t.Errorf("a week without requests: %d samples, the first %v", len(s), s[0])
	}
}

// The meter agrees with a list of all events.
func TestMeterModel(t *testing.T) {
	type event struct {
		at    time.Time
		begin bool
	}
	level := func(events []event, now time.Time) map[scaler.Metric]float64 {
		var begun, ended int
		for _, e := range events {
			switch {
			case e.begin:
				begun++
			default:
				begun--
				if now.Unix()-e.at.Unix() < 60 {
					ended++
				}
			}
		}
		return map[scaler.Metric]float64{scaler.Concurrency: float64(begun), scaler.RequestsPerMinute: float64(begun + ended)}
	}
	// highest is the highest load in a time without its end.
	highest := func(events []event, metric scaler.Metric, from, to time.Time) float64 {
		n := 0
		for n < len(events) && events[n].at.Before(from) {
			n++
		}
		top := level(events[:n], from)[metric]
		for ; n < len(events) && events[n].at.Before(to); n++ {
			top = max(top, level(events[:n+1], events[n].at)[metric])
		}
		return top
	}

	rapid.Check(t, func(t *rapid.T) {
		const retain = 3 * time.Minute
		since := start.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "since")) * time.Millisecond)
		m := load.NewMeter(since, retain)
		now := since
		var events []event
		inProgress, queued := 0, 0

		pass := func(t *rapid.T) {
			most := rapid.SampledFrom([]int{0, 300, 8_000, 90_000}).Draw(t, "about")
			now = now.Add(time.Duration(rapid.IntRange(0, most).Draw(t, "passes")) * time.Millisecond)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				pass(t)
				for range rapid.IntRange(1, 3).Draw(t, "requests") {
					m.Begin(now)
					events = append(events, event{now, true})
					inProgress++
				}
			},
			"end": func(t *rapid.T) {
				pass(t)
				if inProgress > queued {
					m.End(now)
					events = append(events, event{now, false})
					inProgress--
				}
			},
			"enqueue": func(*rapid.T) {
				if inProgress > queued {
					m.Enqueue()
					queued++
				}
			},
			"dequeue": func(*rapid.T) {
				if queued > 0 {
					m.Dequeue()
					queued--
				}
			},
			"snapshot": func(t *rapid.T) {
				pass(t)
				l := level(events, now)
				want := load.Snapshot{
					Since: since, Now: now, InFlight: inProgress - queued, Queued: queued,
					RequestsPerMinute: int(l[scaler.RequestsPerMinute]), Concurrency: int(l[scaler.Concurrency]),
				}
				if diff := cmp.Diff(want, m.Snapshot(now)); diff != "" {
					t.Fatal(diff)
				}
			},
			"series": func(t *rapid.T) {
				pass(t)
				from := now.Add(-time.Duration(rapid.IntRange(-1, int(retain/time.Second)).Draw(t, "back")) * time.Second)
				for _, metric := range metrics {
					var want load.Series
					point := since.Truncate(load.GridStep).Add(load.GridStep)
					for ; !point.After(now); point = point.Add(load.GridStep) {
						if !point.Before(from.Truncate(load.GridStep)) {
							// The first step began before the meter, when there was no load.
							want = append(want, scaler.Sample{Time: point, Value: highest(events, metric, point.Add(-load.GridStep), point)})
						}
					}
					newest := level(events, now)[metric]
					last := now.Truncate(load.GridStep)
					if last.Before(since) {
						last = since
					}
					if peak := highest(events, metric, last, now.Add(1)); peak > newest {
						want = append(want, scaler.Sample{Time: now, Value: peak})
					}
					want = append(want, scaler.Sample{Time: now, Value: newest})
					if diff := cmp.Diff(want, m.Series(metric, from, now)); diff != "" {
						t.Fatalf("%s from %v to %v:\n%s", metric, from, now, diff)
					}
				}
			},
		})
	})
}

func TestMeterIsSafeForConcurrentUse(t *testing.T) {
	const callers, requests = 8, 500
	m := load.NewMeter(start, time.Minute)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for n := range requests {
				now := at(float64(n)/100 + float64(caller)/1000)
				m.Begin(now)
				m.Enqueue()
				m.Dequeue()
				m.Series(scaler.Concurrency, start, now)
				m.End(now)
			}
		})
	}
	group.Wait()
	if s := m.Snapshot(at(10)); s.InFlight != 0 || s.Queued != 0 || s.RequestsPerMinute != callers*requests {
		t.Errorf("%+v", s)
	}
}
