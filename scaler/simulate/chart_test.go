package simulate_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

// wellFormed reads a chart as XML, returns its texts and paths, and fails when a
// path has something that is not a coordinate.
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
	p := policy(t, "min_instances", "0", "price_per_instance_second", "0.000059", "buffer_instances", "1")
	trace := shape(t, "steps:0@0s,150@5m,0@10m", 30*time.Minute)
	r := run(t, p, trace, simulate.Options{StartDelay: 30 * time.Second})
	chart := simulate.Chart("a <load> & more", "below", trace, simulate.Trial{Name: `a "policy"`, Result: r}, simulate.Trial{Name: "another", Result: r})
	texts, _ := wellFormed(t, chart)
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		"a <load> & more", "below", `a "policy"`, "another",
		"instances asked for", "instances ready", "grows above (scale_up_threshold)", "shrinks below (scale_down_threshold)", "load",
		"instances", "load, requests a minute", "time from the start", "10m", "1 cold start",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the chart does not say %q:\n%s", want, all)
		}
	}
}

// The line of the count is as high over the axis as the grid says: at 0 for half
// of the time, then at 3.
func TestChartDrawsTheCount(t *testing.T) {
	p := policy(t, "min_instances", "0", "buffer_instances", "1")
	trace := shape(t, "steps:0@0s,150@15m", 30*time.Minute)
	chart := simulate.Chart("", "", trace, simulate.Trial{Result: run(t, p, trace, simulate.Options{})})
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
	p := policy(t, "min_instances", "0")
	trace := shape(t, "sine:0..900/24h", year)
	r := run(t, p, trace, simulate.Options{Step: time.Minute})
	if len(r.Actions) < 1000 {
		t.Fatalf("only %d actions", len(r.Actions))
	}
	chart := simulate.Chart("", "", trace, simulate.Trial{Result: r})
	texts, _ := wellFormed(t, chart)
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "instances asked for, the fewest to the most") || !strings.Contains(all, "days from the start") {
		t.Errorf("the chart says\n%s", all)
	}
	if len(chart) > 100_000 {
		t.Errorf("the chart has %d bytes", len(chart))
	}
}

func TestChartSaysWhereTheLoadGoesBeyondIt(t *testing.T) {
	p := policy(t, "max_instances", "2")
	trace := shape(t, "constant:5000", time.Minute)
	chart := simulate.Chart("", "", trace, simulate.Trial{Result: run(t, p, trace, simulate.Options{})})
	if !strings.Contains(chart, "the load goes up to 5000") {
		t.Error("the chart does not say so")
	}
}

func TestChartLabelsTime(t *testing.T) {
	p := policy(t)
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
		trace, err := simulate.ParseCSV([]byte("time,load\n" + c.from + ",50\n" + c.to + ",50\n"))
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, p, trace, simulate.Options{To: trace.Points[1].Time, Step: time.Minute})
		texts, _ := wellFormed(t, simulate.Chart("", "", trace, simulate.Trial{Result: r}))
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

func TestPage(t *testing.T) {
	p := policy(t, "min_instances", "0")
	trace := shape(t, "steps:0@0s,150@5m,0@10m", 30*time.Minute)
	r := run(t, p, trace, simulate.Options{})
	var b strings.Builder
	if err := simulate.WritePage(&b, "title", "below", trace, simulate.Trial{Name: "<first>", Result: r}, simulate.Trial{Name: "second", Result: r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg ", "Actions of &lt;first&gt;", "Actions of second", "difference", "instances, mean", r.Actions[0].Reason} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(b.String(), "<first>") {
		t.Error("the page does not escape names")
	}
}
