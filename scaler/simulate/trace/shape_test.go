package trace_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

const year = 365 * 24 * time.Hour

// after is a time of a trace without a date.
func after(d time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(d) }

func TestParseShape(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		text   string
		length time.Duration
		end    time.Duration
		loads  map[time.Duration]float64 // at points of the trace
	}{
		{"constant:600", 0, h, map[time.Duration]float64{0: 600}},
		{"constant:0.5", 3 * h, 3 * h, map[time.Duration]float64{0: 0.5}},
		{"steps:0@0s,600@5m,0@1h", 0, 115 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600, h: 0}},
		{"steps: 600@300, 5@10m ", 0, 15 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600, 10 * time.Minute: 5}},
		{"steps:600@0", 0, h, map[time.Duration]float64{0: 600}},
		{"steps:0@0s,600@5m,0@1h", 30 * time.Minute, 30 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600}},
		{"sine:20..900/24h", 0, 24 * h, map[time.Duration]float64{0: 20, 6 * h: 460, 12 * h: 900, 18 * h: 460}},
		{"sine:20..900/24h", 60 * h, 60 * h, map[time.Duration]float64{36 * h: 900, 48 * h: 20}},
		{"spike:60..2000@10m+5m", 0, 25 * time.Minute, map[time.Duration]float64{0: 60, 10 * time.Minute: 2000, 15 * time.Minute: 60}},
		{"spike:60..2000@0s+5m", 0, 10 * time.Minute, map[time.Duration]float64{0: 2000, 5 * time.Minute: 60}},
		{"business-day", 0, 24 * h, map[time.Duration]float64{6 * h: 0, 11 * h: 1000, 14 * h: 950, 22 * h: 0}},
		{"business-day:100..300", 7 * 24 * h, 7 * 24 * h, map[time.Duration]float64{11 * h: 300, (4*24 + 11) * h: 300, (5*24 + 11) * h: 100, (6*24 + 22) * h: 100}},
	} {
		tr, err := trace.ParseShape(c.text, c.length)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if !tr.End.Equal(after(c.end)) || !tr.Start().Equal(after(0)) || tr.Metric != "" {
			t.Errorf("%s is from %v to %v in %q", c.text, tr.Start(), tr.End, tr.Metric)
		}
		loads := make(map[time.Duration]float64)
		for _, point := range tr.Points {
			loads[point.Time.Sub(after(0))] = point.Value
		}
		for at, want := range c.loads {
			if got, ok := loads[at]; !ok || math.Abs(got-want) > 1e-9*want {
				t.Errorf("%s: %v at %v, want %v", c.text, got, at, want)
			}
		}
		if !tr.Linear && len(loads) != len(c.loads) {
			t.Errorf("%s has points %v", c.text, loads)
		}
	}
}

func TestParseShapeRefuses(t *testing.T) {
	const load = "a number from 0 to 1e15"
	for _, c := range []struct{ text, want string }{
		{"ramp:1", `shape = "ramp:1": must be like constant:600, steps:0@0s,600@5m,0@1h, sine:20..900/24h, spike:60..2000@10m+5m, business-day:0..1000`},
		{"constant", `constant, as in constant:600: load = "": must be ` + load},
		{"constant:-1", `constant, as in constant:600: load = "-1": must be ` + load},
		{"constant:NaN", `constant, as in constant:600: load = "NaN": must be ` + load},
		{"steps:600", `steps, as in steps:0@0s,600@5m,0@1h: step = "600": must be a load and a time, such as 600@5m`},
		{"steps:600@soon", `steps, as in steps:0@0s,600@5m,0@1h: time = "soon": must be a duration of at least 0s, such as 90s or 24h`},
		{"steps:1@5m,2@5m", `steps, as in steps:0@0s,600@5m,0@1h: time = "5m": must be after 5m, the one before it`},
		{"sine:900/24h", `sine, as in sine:20..900/24h: loads = "900": must be the lowest and the highest load, such as 20..900`},
		{"sine:900..20/24h", `sine, as in sine:20..900/24h: highest load = "20": must be at least 900`},
		{"sine:20..900/24", `sine, as in sine:20..900/24h: period = "24": must be a duration of at least 1m, such as 90s or 24h`},
		{"spike:60..2000", `spike, as in spike:60..2000@10m+5m: time = "": must be a duration of at least 0s, such as 90s or 24h`},
		{"spike:60..2000@10m", `spike, as in spike:60..2000@10m+5m: length = "": must be a duration of at least 1s, such as 90s or 24h`},
		{"business-day:5", `business-day, as in business-day:0..1000: loads = "5": must be the lowest and the highest load, such as 20..900`},
	} {
		if _, err := trace.ParseShape(c.text, 0); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
	for _, length := range []time.Duration{-1, 200 * year} {
		if _, err := trace.ParseShape("constant:1", length); err == nil || !strings.HasSuffix(err.Error(), "must be above 0 and at most 100 years") {
			t.Errorf("a length of %v: %v", length, err)
		}
	}
	if _, err := trace.ParseShape("sine:0..1/1m", year); err == nil || !strings.Contains(err.Error(), "8760h has more than 20000 periods") {
		t.Errorf("a year of minutes: %v", err)
	}
}

// The example of every shape can be parsed.
func TestShapes(t *testing.T) {
	for _, s := range trace.Shapes() {
		if _, err := trace.ParseShape(s.Syntax, 0); err != nil || !trace.IsShape(s.Syntax) || s.Description == "" {
			t.Errorf("%s: %v", s.Syntax, err)
		}
	}
	if trace.IsShape("trace.csv") {
		t.Error("trace.csv is no shape")
	}
}
