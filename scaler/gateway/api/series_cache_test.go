package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// age is how old an answer of a cache may be.
const age = time.Second

// id is the app of a name.
func id(name string) scaler.AppID {
	app, err := scaler.ParseAppID(name)
	if err != nil {
		panic(err)
	}
	return app
}

// fakeGateways are gateways, by host, that answer with what a test says.
type fakeGateways struct {
	mu      sync.Mutex
	asked   map[string]int
	windows []string
	answer  func(host string) (api.LoadReport, time.Duration)
}

func (f *fakeGateways) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.asked[r.URL.Host]++
	f.windows = append(f.windows, r.URL.Query().Get("window"))
	report, after := f.answer(r.URL.Host)
	f.mu.Unlock()
	select {
	case <-time.After(after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	text, err := json.Marshal(report)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(text)))}, err
}

// cached is a cache of the gateways a and b.
func cached(answer func(host string) (api.LoadReport, time.Duration)) (*api.SeriesCache, *fakeGateways) {
	f := &fakeGateways{asked: make(map[string]int), answer: answer}
	return api.NewSeriesCache(&api.Client{Addresses: []string{"http://a", "http://b"}, HTTP: &http.Client{Transport: f}}), f
}

// constantly is the series of a load that has been the same for eleven minutes.
func constantly(value float64) load.Series {
	var s load.Series
	for at := time.Now().Add(-11 * time.Minute); !at.After(time.Now()); at = at.Add(load.GridStep) {
		s = append(s, scaler.Sample{Time: at, Value: value})
	}
	return s
}

func TestSeriesCacheAsksForAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, gateways := cached(func(string) (api.LoadReport, time.Duration) {
			return api.LoadReport{Shared: []api.SharedSeries{
				{Apps: []scaler.AppID{id("default/busy/app")}, Series: constantly(21)},
				{Apps: []scaler.AppID{id("default/idle/app"), id("default/other/app")}, Series: constantly(0)},
			}}, 100 * time.Millisecond
		})
		var asking sync.WaitGroup
		for app, want := range map[string]float64{"default/busy/app": 42, "default/idle/app": 0, "default/other/app": 0} {
			for range 50 {
				asking.Go(func() {
					series, err := cache.Series(t.Context(), id(app), scaler.Concurrency, 11*time.Minute)
					if err != nil || len(series) < 130 || series[len(series)-1].Value != want {
						t.Errorf("the load of %s is %v, %v; want %v at its end", app, series, err, want)
					}
				})
			}
		}
		asking.Wait()
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, gateways.asked); diff != "" {
			t.Errorf("150 questions at once: %s", diff)
		}

		ask := func(window time.Duration) load.Series {
			t.Helper()
			series, err := cache.Series(t.Context(), id("default/busy/app"), scaler.Concurrency, window)
			if err != nil {
				t.Fatal(err)
			}
			return series
		}
		if series := ask(time.Minute); series[len(series)-1].Time.Sub(series[0].Time) != time.Minute {
			t.Errorf("over a minute the series is %v", series)
		}
		if gateways.asked["a"] != 1 {
			t.Error("a part of what is known was asked for again")
		}
		time.Sleep(age)
		ask(time.Minute)
		ask(20 * time.Minute)
		if want := []string{"11m0s", "11m0s", "11m0s", "11m0s", "20m0s", "20m0s"}; !cmp.Equal(gateways.windows, want) {
			t.Errorf("the windows %v were asked for, want %v", gateways.windows, want)
		}
	})
}

func TestSeriesCacheIsUnknownWithoutAGateway(t *testing.T) {
	app := id("default/web/app")
	knows := func() api.LoadReport {
		return api.LoadReport{Gateway: "one", Shared: []api.SharedSeries{{Apps: []scaler.AppID{app}, Series: constantly(7)}}}
	}
	for name, test := range map[string]struct {
		other func() api.LoadReport
		after time.Duration
		want  string
	}{
		"one that does not answer":   {knows, time.Hour, "asking a gateway"},
		"one that knows no such app": {func() api.LoadReport { return api.LoadReport{Gateway: "two"} }, 0, `gateway two knows no app default/web/app`},
		"one that has no series": {func() api.LoadReport {
			return api.LoadReport{Gateway: "two", Shared: []api.SharedSeries{{Apps: []scaler.AppID{app}}}}
		}, 0, "gateway two knows no app"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other, after := test.other, test.after
				cache, _ := cached(func(host string) (api.LoadReport, time.Duration) {
					if host == "a" {
						return knows(), 0
					}
					return other(), after
				})
				if series, err := cache.Series(t.Context(), app, scaler.Concurrency, time.Minute); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("the series is %v, %v; want an error with %q", series, err, test.want)
				}
				// It is known again as soon as the next answer is.
				other, after = knows, 0
				time.Sleep(age)
				series, err := cache.Series(t.Context(), app, scaler.Concurrency, time.Minute)
				if err != nil || len(series) == 0 || series[len(series)-1].Value != 14 {
					t.Errorf("the series is %v, %v afterwards; want 14", series, err)
				}
			})
		})
	}
}

// Whoever gives up does not take the answer from those who wait on.
func TestSeriesCacheOutlivesWhoAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := id("default/web/app")
		cache, _ := cached(func(string) (api.LoadReport, time.Duration) {
			return api.LoadReport{Shared: []api.SharedSeries{{Apps: []scaler.AppID{app}, Series: constantly(7)}}}, time.Second
		})
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := cache.Series(impatient, app, scaler.Concurrency, time.Minute); err == nil {
			t.Error("an answer came before the gateways'")
		}
		if series, err := cache.Series(t.Context(), app, scaler.Concurrency, time.Minute); err != nil || len(series) == 0 {
			t.Errorf("the series is %v, %v", series, err)
		}
	})
}
