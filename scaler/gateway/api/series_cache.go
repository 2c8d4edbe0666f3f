package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

const (
	// seriesAge is how old an answer of the gateways may be.
	seriesAge = time.Second
	// seriesTimeout bounds a question to them.
	seriesTimeout = 2 * time.Second
)

// SeriesCache answers callers that ask for the load of many apps. It asks the
// gateways for all apps at once, at most once a second. It is safe for concurrent
// use.
type SeriesCache struct {
	client *Client

	mu      sync.Mutex
	answers map[scaler.Metric]*clusterAnswer
}

// NewSeriesCache returns a cache that has not asked yet.
func NewSeriesCache(c *Client) *SeriesCache {
	return &SeriesCache{client: c, answers: make(map[scaler.Metric]*clusterAnswer)}
}

// clusterAnswer is an answer of all gateways, once done is closed.
type clusterAnswer struct {
	asked  time.Time
	window time.Duration
	done   chan struct{}

	gateways []gatewayAnswer
	err      error
}

type gatewayAnswer struct {
	id    string
	byApp map[scaler.AppID]load.Series
}

// Series returns what [Client.Series] does, as of a second ago at most.
func (c *SeriesCache) Series(ctx context.Context, app scaler.AppID, metric scaler.Metric, window time.Duration) (load.Series, error) {
	answer := c.answer(metric, window)
	select {
	case <-answer.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("asking the gateways: %w", ctx.Err())
	}
	return answer.series(app, window)
}

// answer is the newest one, or one that is on its way.
func (c *SeriesCache) answer(metric scaler.Metric, window time.Duration) *clusterAnswer {
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
	answer = &clusterAnswer{asked: time.Now(), window: window, done: make(chan struct{})}
	c.answers[metric] = answer
	go answer.fetch(c.client, metric)
	return answer
}

func (a *clusterAnswer) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// fetch asks on behalf of all callers that wait, so none of them ends it.
func (a *clusterAnswer) fetch(c *Client, metric scaler.Metric) {
	defer close(a.done)
	ctx, cancel := context.WithTimeout(context.Background(), seriesTimeout)
	defer cancel()
	reports, err := askAll[LoadReport](ctx, c, "/v1/load?"+url.Values{"metric": {string(metric)}, "window": {a.window.String()}}.Encode())
	a.err = err
	for _, report := range reports {
		gateway := gatewayAnswer{report.Gateway, make(map[scaler.AppID]load.Series)}
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
func (a *clusterAnswer) series(app scaler.AppID, window time.Duration) (load.Series, error) {
	if a.err != nil {
		return nil, a.err
	}
	all, errs := make([]load.Series, len(a.gateways)), make([]error, len(a.gateways))
	for i, gateway := range a.gateways {
		if all[i] = gateway.byApp[app]; len(all[i]) == 0 {
			errs[i] = fmt.Errorf("gateway %s knows no app %s", gateway.id, app)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return load.Merge(all...).Since(window), nil
}
