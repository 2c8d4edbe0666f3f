// Package load accounts for the requests of an app. From them it knows the app's
// load now, and over the time that decides whether the app is idle.
package load

import (
	"math"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Retention is how far back a policy needs the load. It covers the time after which
// an app without load is inactive, and a margin for the age of the newest sample.
func Retention(p scaler.Policy) time.Duration {
	const margin = scaler.MaxGap
	return min(max(p.StopAfterInactive, scaler.MaxGap), math.MaxInt64-margin) + margin
}

// Meter counts the requests of one app. It works only when a method is called, so an
// app without requests costs only memory. A Meter is safe for concurrent use.
//
// The times should not go back. If the clock is set back by up to a minute, the
// meter's time stands still; if by more, the meter starts again from there.
type Meter struct {
	mu     sync.Mutex
	since  time.Time
	retain time.Duration

	begun   int // requests in progress
	queued  int // requests in progress that wait for an instance
	ended   window
	peak    level // the highest load since the last point of the grid
	history history
}

// NewMeter returns a meter that counts from now on and keeps the load for as long as
// retain.
func NewMeter(now time.Time, retain time.Duration) *Meter {
	m := &Meter{retain: retain}
	m.restartLocked(now) // nothing else has the meter yet
	return m
}

// Retain changes how long the load is kept.
func (m *Meter) Retain(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retain = d
}

// Begin records a new request. It is in flight until [Meter.End], except while it
// is queued.
func (m *Meter) Begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advanceLocked(now)
	m.begun++
	m.peak = m.peak.max(m.levelLocked())
}

// End records the end of a request, served or not. It must be called once for each
// [Meter.Begin].
func (m *Meter) End(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advanceLocked(now)
	m.begun--
	m.ended.add()
}

// Enqueue records that a request that has begun waits for an instance.
func (m *Meter) Enqueue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued++
}

// Dequeue records that a request no longer waits: it is in flight, or about to end.
func (m *Meter) Dequeue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued--
}

// Snapshot returns the load now.
func (m *Meter) Snapshot(now time.Time) Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	now = m.advanceLocked(now)
	l := m.levelLocked()
	return Snapshot{
		Since: m.since, Now: now,
		InFlight: m.begun - m.queued, Queued: m.queued,
		RequestsPerMinute: l.requestsPerMinute, Concurrency: l.concurrency,
	}
}

// Series returns the load in a metric from a time until now, as far as the meter
// knows it. The series of a custom metric is empty.
//
// The samples lie on a grid. Each is the highest load in the [GridStep] that ends
// there, so that short requests are visible. The last sample is the load now. If the
// load was higher since the last point of the grid, a sample with that load and the
// same time precedes it.
func (m *Meter) Series(metric scaler.Metric, from, now time.Time) Series {
	if !measures(metric) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now = m.advanceLocked(now)
	var s Series
	for at, l := range m.history.between(floor(from.Unix()), floor(now.Unix())) {
		s = append(s, scaler.Sample{Time: time.Unix(at, 0).UTC(), Value: l.in(metric)})
	}
	l := m.levelLocked()
	if m.peak.in(metric) > l.in(metric) {
		s = append(s, scaler.Sample{Time: now, Value: m.peak.in(metric)})
	}
	return append(s, scaler.Sample{Time: now, Value: l.in(metric)})
}

func (m *Meter) levelLocked() level {
	return level{requestsPerMinute: m.begun + m.ended.total, concurrency: m.begun}
}

// advanceLocked brings the meter to now and returns its time, which stands still
// while the clock is behind it.
func (m *Meter) advanceLocked(now time.Time) time.Time {
	second := now.Unix()
	switch {
	case second == m.ended.second:
		return now
	case second < m.ended.second-windowSeconds:
		m.restartLocked(now)
		return now
	case second < m.ended.second:
		return time.Unix(m.ended.second, 0).UTC()
	}
	for at := floor(m.ended.second) + gridSeconds; at <= second; at += gridSeconds {
		m.history.add(at, m.peak)
		m.ended.advance(at)
		m.peak = m.levelLocked()
		if m.ended.total == 0 && at+gridSeconds <= second {
			// The load is constant from here on, so one run is enough.
			m.history.add(at+gridSeconds, m.peak)
			break
		}
	}
	m.ended.advance(second)
	m.history.trim(second - int64(m.retain/time.Second))
	return now
}

// restartLocked discards everything except the requests in progress.
func (m *Meter) restartLocked(now time.Time) {
	m.since = now.Round(0)
	m.history = nil
	m.ended = window{second: now.Unix()}
	m.peak = m.levelLocked()
}
