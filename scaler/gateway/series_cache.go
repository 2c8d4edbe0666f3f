package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// SharedSeries is the load over time of apps whose load is the same, as that of
// all idle ones is.
type SharedSeries struct {
	// Apps are by name, <namespace>/<job>/<group>.
	Apps   []string    `json:"apps"`
	Series load.Series `json:"series"`
}

// shareSeries is the load of all apps over the window, or over as much of it as
// their policies need. Those whose load has not changed share one series.
func shareSeries(all []*app, metric scaler.Metric, window time.Duration, now time.Time) []SharedSeries {
	type steady struct{ first, last scaler.Sample }
	shared, places := make([]SharedSeries, 0), make(map[steady]int)
	for _, a := range all {
		over := window
		if p := a.policy.Load(); p != nil {
			over = min(over, load.Retention(*p))
		}
		s := a.meter.Series(metric, now.Add(-over), now)
		key := steady{s[0], s[len(s)-1]}
		place, known := places[key]
		changed := slices.ContainsFunc(s, func(sample scaler.Sample) bool { return sample.Value != s[0].Value })
		if changed || !known {
			place = len(shared)
			shared = append(shared, SharedSeries{Series: s})
		}
		if !changed {
			places[key] = place
		}
		shared[place].Apps = append(shared[place].Apps, a.name)
	}
	return shared
}

const (
	// seriesAge is how old an answer of the gateways may be.
	seriesAge = time.Second
	// seriesTimeout bounds a question to them.
	seriesTimeout = 2 * time.Second
)

// SeriesCache asks a fleet for the load of all apps at a time, at most once a
// second, for those who ask for many apps. It is safe for concurrent use.
type SeriesCache struct {
	fleet *Fleet

	mu      sync.Mutex
	answers map[scaler.Metric]*fleetAnswer
}

// NewSeriesCache returns a cache that has not asked yet.
func NewSeriesCache(f *Fleet) *SeriesCache {
	return &SeriesCache{fleet: f, answers: make(map[scaler.Metric]*fleetAnswer)}
}

// fleetAnswer is an answer of all gateways, once done is closed.
type fleetAnswer struct {
	asked  time.Time
	window time.Duration
	done   chan struct{}

	gateways []gatewayAnswer
	err      error
}

type gatewayAnswer struct {
	id    string
	byApp map[string]load.Series
}

// Series returns what [Fleet.Series] does, as of a second ago at most.
func (c *SeriesCache) Series(ctx context.Context, app string, metric scaler.Metric, window time.Duration) (load.Series, error) {
	answer := c.answer(metric, window)
	select {
	case <-answer.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("asking the gateways: %w", ctx.Err())
	}
	return answer.series(app, window)
}

// answer is the newest one, or one that is on its way.
func (c *SeriesCache) answer(metric scaler.Metric, window time.Duration) *fleetAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.answers[metric]
	if answer != nil {
		if window <= answer.window && (!answer.over() || time.Since(answer.asked) < seriesAge) {
			return answer
		}
		// The next one is for all that was asked for before.
		window = max(window, answer.window)
	}
	answer = &fleetAnswer{asked: time.Now(), window: window, done: make(chan struct{})}
	c.answers[metric] = answer
	go answer.fetch(c.fleet, metric)
	return answer
}

func (a *fleetAnswer) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// fetch asks in the name of everybody who waits, so none of them ends it.
func (a *fleetAnswer) fetch(f *Fleet, metric scaler.Metric) {
	defer close(a.done)
	ctx, cancel := context.WithTimeout(context.Background(), seriesTimeout)
	defer cancel()
	reports, err := f.ask(ctx, "/v1/load?"+url.Values{"metric": {string(metric)}, "window": {a.window.String()}}.Encode())
	a.err = err
	for _, report := range reports {
		gateway := gatewayAnswer{report.Gateway, make(map[string]load.Series)}
		for _, shared := range report.Shared {
			for _, app := range shared.Apps {
				gateway.byApp[app] = shared.Series
			}
		}
		a.gateways = append(a.gateways, gateway)
	}
}

// series is the load of an app over the window that ends with the answer. A
// gateway that does not know the app makes its load unknown.
func (a *fleetAnswer) series(app string, window time.Duration) (load.Series, error) {
	if a.err != nil {
		return nil, a.err
	}
	all, errs := make([]load.Series, len(a.gateways)), make([]error, len(a.gateways))
	for i, gateway := range a.gateways {
		if all[i] = gateway.byApp[app]; len(all[i]) == 0 {
			errs[i] = fmt.Errorf("gateway %s knows no app %q", gateway.id, app)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return load.Merge(all...).Since(window), nil
}
