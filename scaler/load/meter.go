// Package load accounts for the requests of an app, from which its load is
// known: now, and over the time that decides whether it is idle.
package load

import (
	"math"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Retention is how far back a policy needs its load to be known: over the time
// without load that makes the app inactive, with a margin for how old an answer
// may be.
func Retention(p scaler.Policy) time.Duration {
	const margin = scaler.MaxGap
	return min(max(p.StopAfterInactive, scaler.MaxGap), math.MaxInt64-margin) + margin
}

// Meter counts the requests of one app. It works only when it is told or asked
// something, so an app without requests costs nothing but its memory. A Meter is
// safe for concurrent use.
//
// Its times should not go back. A little is put up with; a clock that is set
// back by more than a minute makes the meter watch anew from there.
type Meter struct {
	mu     sync.Mutex
	since  time.Time
	retain time.Duration

	begun   int // requests in progress
	queued  int // those of them that wait
	ended   window
	peak    level // the highest load since the last point of the grid
	history history
}

// NewMeter returns a meter that watches from now on and remembers the load for
// as long as retain.
func NewMeter(now time.Time, retain time.Duration) *Meter {
	m := &Meter{retain: retain}
	m.restart(now)
	return m
}

// Retain changes how long the load is remembered.
func (m *Meter) Retain(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retain = d
}

// Begin says that a request has come. It is in flight until [Meter.End], unless
// it waits.
func (m *Meter) Begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.begun++
	m.peak = m.peak.max(m.level())
}

// End says that a request is over, whether it was served or not. It must follow
// a [Meter.Begin], once for each.
func (m *Meter) End(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.begun--
	m.ended.add()
}

// Enqueue says that a request that has begun waits for an instance.
func (m *Meter) Enqueue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued++
}

// Dequeue says that a request waits no longer: it is in flight now, or it is
// about to end.
func (m *Meter) Dequeue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued--
}

// Snapshot returns the load now.
func (m *Meter) Snapshot(now time.Time) Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	now = m.advance(now)
	l := m.level()
	return Snapshot{
		Since: m.since, Now: now,
		InFlight: m.begun - m.queued, Queued: m.queued,
		RequestsPerMinute: l.requestsPerMinute, Concurrency: l.concurrency,
	}
}

// Series returns the load in a metric from then until now, as far as the meter
// has watched and remembers. A custom metric is not the meter's: its series is
// empty.
//
// The samples lie on a grid, each with the highest load in the [GridStep] that
// ends there, so that a short request is seen. The last is the load now; the one
// before it has the same time and the highest load since the grid's last point,
// when that was higher.
func (m *Meter) Series(metric scaler.Metric, from, now time.Time) Series {
	if !measures(metric) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now = m.advance(now)
	var s Series
	for at, l := range m.history.between(floor(from.Unix()), floor(now.Unix())) {
		s = append(s, scaler.Sample{Time: time.Unix(at, 0).UTC(), Value: l.in(metric)})
	}
	l := m.level()
	if m.peak.in(metric) > l.in(metric) {
		s = append(s, scaler.Sample{Time: now, Value: m.peak.in(metric)})
	}
	return append(s, scaler.Sample{Time: now, Value: l.in(metric)})
}

func (m *Meter) level() level {
	return level{requestsPerMinute: m.begun + m.ended.total, concurrency: m.begun}
}

// advance brings the meter to now and returns the time that it is at: a clock
// that went back a little is made to stand still.
func (m *Meter) advance(now time.Time) time.Time {
	second := now.Unix()
	switch {
	case second == m.ended.second:
		return now
	case second < m.ended.second-windowSeconds:
		m.restart(now)
		return now
	case second < m.ended.second:
		return time.Unix(m.ended.second, 0).UTC()
	}
	for at := floor(m.ended.second) + gridSeconds; at <= second; at += gridSeconds {
		m.history.add(at, m.peak)
		m.ended.advance(at)
		m.peak = m.level()
		if m.ended.total == 0 && at+gridSeconds <= second {
			// From here on nothing has changed: one run tells it all.
			m.history.add(at+gridSeconds, m.peak)
			break
		}
	}
	m.ended.advance(second)
	m.history.trim(second - int64(m.retain/time.Second))
	return now
}

// restart forgets all but the requests in progress.
func (m *Meter) restart(now time.Time) {
	m.since = now.Round(0)
	m.history = nil
	m.ended = window{second: now.Unix()}
	m.peak = m.level()
}
