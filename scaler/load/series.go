package load

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Series is the load of an app over time, oldest first.
type Series []scaler.Sample

// Merge adds up the loads of an app at several gateways. The sum is known where
// every gateway knows its load, so it begins after the last gateway began. An empty
// series means that a gateway did not answer. Then the load is not known, instead of
// the sum at the other gateways.
//
// If gateways had their peaks at different moments of a step, the sum is above their
// total load at any moment.
func Merge(gateways ...Series) Series {
	var now time.Time
	var sum float64
	for _, s := range gateways {
		if len(s) == 0 {
			sum = math.NaN()
			continue
		}
		newest := s[len(s)-1]
		sum += newest.Value
		if now.IsZero() || newest.Time.Before(now) {
			now = newest.Time
		}
	}
	if now.IsZero() {
		return nil
	}
	merged := Series{}
	if !math.IsNaN(sum) {
		merged = sumOfSteps(gateways, now, sum)
	}
	return append(merged, scaler.Sample{Time: now, Value: sum})
}

// Since is the part of the series in the window that ends with the last sample.
func (s Series) Since(window time.Duration) Series {
	if len(s) == 0 {
		return s
	}
	from := s[len(s)-1].Time.Add(-window)
	later := slices.IndexFunc(s, func(sample scaler.Sample) bool { return sample.Time.After(from) })
	return s[max(later-1, 0):]
}

// sumOfSteps adds up the highest loads in each step of the grid before now. The time
// after the last step is included if its load is above the load now.
func sumOfSteps(gateways []Series, now time.Time, newest float64) Series {
	end := floor(now.Unix())
	sum := gateways[0].steps(end)
	for _, s := range gateways[1:] {
		sum = addSteps(sum, s.steps(end))
	}
	var sums Series
	for _, step := range sum {
		switch {
		case math.IsNaN(step.load):
		case step.at <= end:
			sums = append(sums, scaler.Sample{Time: time.Unix(step.at, 0).UTC(), Value: step.load})
		case step.load > newest:
			sums = append(sums, scaler.Sample{Time: now, Value: step.load})
		}
	}
	return sums
}

// step is the highest load in the step of the grid that ends at a second.
type step struct {
	at   int64
	load float64
}

// steps is the series by steps of the grid up to end. Everything later, which is at
// least the newest load, is one more step.
func (s Series) steps(end int64) []step {
	rest := end + gridSeconds
	var steps []step
	add := func(at int64, load float64) {
		if n := len(steps); n > 0 && steps[n-1].at == at {
			steps[n-1].load = math.Max(steps[n-1].load, load)
		} else {
			steps = append(steps, step{at, load})
		}
	}
	for _, sample := range s {
		add(min(ceiling(sample.Time), rest), sample.Value)
	}
	add(rest, s[len(s)-1].Value)
	return steps
}

// addSteps adds up the steps that are in both.
func addSteps(a, b []step) []step {
	sum := a[:0]
	for _, step := range a {
		for len(b) > 0 && b[0].at < step.at {
			b = b[1:]
		}
		if len(b) > 0 && b[0].at == step.at {
			step.load += b[0].load
			sum = append(sum, step)
		}
	}
	return sum
}

// ceiling is the first point of the grid at or after a time.
func ceiling(t time.Time) int64 {
	at := floor(t.Unix())
	if time.Unix(at, 0).Before(t) {
		at += gridSeconds
	}
	return at
}

// point is a sample in JSON, which has no NaN: an unknown value is null. The sample
// repeats so many times, at distances of a [GridStep].
type point struct {
	Time   time.Time `json:"time"`
	Value  *float64  `json:"value"`
	Repeat int       `json:"repeat,omitempty"`
}

// maxSamples bounds the length of a series that is read from JSON. It is over half a
// year.
const maxSamples = 1 << 22

// MarshalJSON writes the samples as objects with a time and a value, which is null if
// the load is not known. If the load is the same at the next points of the grid, the
// object has the number of those points as repeat.
func (s Series) MarshalJSON() ([]byte, error) {
	points := make([]point, 0, 2)
	for i, sample := range s {
		if n := len(points); n > 0 {
			last := &points[n-1]
			next := last.Time.Add(time.Duration(last.Repeat+1) * GridStep)
			if sample.Time.Equal(next) && (last.Value == nil && !known(sample.Value) || last.Value != nil && sample.Value == *last.Value) {
				last.Repeat++
				continue
			}
		}
		p := point{Time: sample.Time}
		if known(sample.Value) {
			p.Value = &s[i].Value
		}
		points = append(points, p)
	}
	return json.Marshal(points)
}

// UnmarshalJSON reads what [Series.MarshalJSON] writes.
func (s *Series) UnmarshalJSON(text []byte) error {
	var points []point
	if err := json.Unmarshal(text, &points); err != nil {
		return err
	}
	samples := len(points)
	for _, p := range points {
		if p.Repeat < 0 || p.Repeat > maxSamples-samples {
			return fmt.Errorf("repeat = %d at %s: must be at least 0, and at most %d samples in all",
				p.Repeat, p.Time.Format(time.RFC3339), maxSamples)
		}
		samples += p.Repeat
	}
	read := make(Series, 0, samples)
	for _, p := range points {
		value := math.NaN()
		if p.Value != nil {
			value = *p.Value
			if !known(value) {
				return fmt.Errorf("value = %v at %s: must be at least 0", value, p.Time.Format(time.RFC3339))
			}
		}
		if n := len(read); n > 0 && p.Time.Before(read[n-1].Time) {
			return fmt.Errorf("time = %s: must not be before the previous one", p.Time.Format(time.RFC3339))
		}
		for i := range p.Repeat + 1 {
			read = append(read, scaler.Sample{Time: p.Time.Add(time.Duration(i) * GridStep), Value: value})
		}
	}
	*s = read
	return nil
}

func known(value float64) bool { return value >= 0 && !math.IsInf(value, 1) }
