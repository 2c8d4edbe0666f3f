package report_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/report"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// replay runs the default policy, with keys and values changed, on a shape of a
// length or on a text of CSV.
func replay(t testing.TB, load string, length time.Duration, o simulate.Options, changes ...string) (trace.Trace, simulate.Result) {
	t.Helper()
	document := scaler.Document{"namespace": "default", "job": "shop", "group": "web"}
	for pair := range slices.Chunk(changes, 2) {
		document[pair[0]] = pair[1]
	}
	p, invalidPolicy := scaler.Parse(document)
	read := func() (trace.Trace, error) { return trace.ParseShape(load, length) }
	if !trace.IsShape(load) {
		read = func() (trace.Trace, error) { return trace.ParseCSV([]byte(load)) }
	}
	tr, invalidTrace := read()
	if err := errors.Join(invalidPolicy, invalidTrace); err != nil {
		t.Fatal(err)
	}
	r, err := simulate.Run(p, tr, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr, r
}

const year = 365 * 24 * time.Hour

// wellFormed reads a chart as XML, returns its texts and paths, and fails if a path
// has something that is not a coordinate.
func wellFormed(t testing.TB, chart string) (texts, paths []string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(chart))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, paths
		}
		if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local != "d" {
					continue
				}
				paths = append(paths, a.Value)
				if rest := strings.Trim(a.Value, "MVHZhv-. 0123456789"); rest != "" || strings.ContainsAny(a.Value, "NI") {
					t.Fatalf("a path has %q in it", rest)
				}
			}
		}
	}
}

func TestChart(t *testing.T) {
	tr, r := replay(t, "steps:0@0s,150@5m,0@10m", 30*time.Minute, simulate.Options{StartDelay: 30 * time.Second}, "min_instances", "0", "price_per_instance_second", "0.000059", "buffer_instances", "1")
	chart := report.Chart("a <load> & more", "below", tr, report.Trial{Name: `a "policy"`, Result: r}, report.Trial{Name: "another", Result: r})
	texts, _ := wellFormed(t, chart)
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		"a <load> & more", "below", `a "policy"`, "another",
		"instances desired", "instances ready", "scales up above (scale_up_threshold)", "scales down below (scale_down_threshold)", "load",
		"instances", "load, requests a minute", "time from the start", "10m", "1 cold start",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the chart does not say %q:\n%s", want, all)
		}
	}
}

// The line of the count agrees with the axis: 0 for half of the time, then 3.
func TestChartDrawsTheCount(t *testing.T) {
	tr, r := replay(t, "steps:0@0s,150@15m", 30*time.Minute, simulate.Options{}, "min_instances", "0", "buffer_instances", "1")
	chart := report.Chart("", "", tr, report.Trial{Result: r})
	_, paths := wellFormed(t, chart)
	count := paths[slices.IndexFunc(paths, func(path string) bool { return strings.Count(path, "V") == 1 && strings.Count(path, "H") == 2 })]
	var x0, y0, x1, y1, x2 float64
	if _, err := fmt.Sscanf(count, "M%f %fH%fV%fH%f", &x0, &y0, &x1, &y1, &x2); err != nil {
		t.Fatalf("the count is drawn as %s: %v", count, err)
	}
	if x1-x0 != x2-x1 {
		t.Errorf("the step is at %v between %v and %v, want it in the middle", x1, x0, x2)
	}
	// 280 pixels are 3.24 instances.
	if up := (y0 - y1) * 3.24 / 280; up < 2.99 || up > 3.01 {
		t.Errorf("the step is %v instances high, want 3", up)
	}
}

// A year of actions is drawn in parts, and stays small.
func TestChartOfAYear(t *testing.T) {
	tr, r := replay(t, "sine:0..900/24h", year, simulate.Options{Step: time.Minute}, "min_instances", "0")
	if len(r.Actions) < 1000 {
		t.Fatalf("only %d actions", len(r.Actions))
	}
	chart := report.Chart("", "", tr, report.Trial{Result: r})
	texts, _ := wellFormed(t, chart)
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "instances desired, lowest to highest") || !strings.Contains(all, "days from the start") {
		t.Errorf("the chart says\n%s", all)
	}
	if len(chart) > 100_000 {
		t.Errorf("the chart has %d bytes", len(chart))
	}
}

func TestChartSaysWhereTheLoadGoesBeyondIt(t *testing.T) {
	tr, r := replay(t, "constant:5000", time.Minute, simulate.Options{}, "max_instances", "2")
	chart := report.Chart("", "", tr, report.Trial{Result: r})
	if !strings.Contains(chart, "the load peaks at 5000") {
		t.Error("the chart does not say so")
	}
}

func TestChartLabelsTime(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     []string
	}{
		{"2026-11-22T12:00:00Z", "2026-11-22T12:00:30Z", []string{"12:00:05", "22 November 2026, UTC"}},
		{"2026-11-22T12:00:00Z", "2026-11-22T18:00:00Z", []string{"12:30", "22 November 2026, UTC"}},
		{"2026-11-22T12:00:00Z", "2026-11-24T12:00:00Z", []string{"23 Nov 06:00", "2026, UTC"}},
		{"2026-11-20T12:00:00Z", "2026-11-29T12:00:00Z", []string{"23 Nov", "2026, UTC"}},
		{"2026-11-20T12:00:00Z", "2027-01-20T12:00:00Z", []string{"30 Nov", "2026 to 2027, UTC"}},
		{"2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", []string{"Mar 2026", "UTC"}},
		{"0s", "10m", []string{"2m", "time from the start"}},
		{"0s", "240h", []string{"3", "days from the start"}},
	} {
		to, err := trace.ParseTime(c.to)
		if err != nil {
			t.Fatal(err)
		}
		tr, r := replay(t, "time,load\n"+c.from+",50\n"+c.to+",50\n", 0, simulate.Options{To: to, Step: time.Minute})
		texts, _ := wellFormed(t, report.Chart("", "", tr, report.Trial{Result: r}))
		for _, want := range c.want {
			found := false
			for _, text := range texts {
				found = found || text == want
			}
			if !found {
				t.Errorf("%s to %s: no label %q in %q", c.from, c.to, want, texts)
			}
		}
	}
}

// A chart is well-formed even with values at the limits of a policy and a trace.
func TestChartOfExtremes(t *testing.T) {
	tr, r := replay(t, "sine:0..1e15/1h", 24*time.Hour, simulate.Options{StartDelay: trace.MaxLength},
		"max_instances", "1000000000", "scale_up_step", "0", "target_requests_per_instance", "1e-300",
		"scale_up_cooldown", "2562047h", "scale_down_cooldown", "2562047h", "stop_after_inactive", "2562047h",
		"price_per_instance_second", "1e300",
	)
	wellFormed(t, report.Chart("", "", tr, report.Trial{Result: r}))
}
