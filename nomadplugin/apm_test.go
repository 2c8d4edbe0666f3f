package nomadplugin

import (
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func TestParseQuery(t *testing.T) {
	for query, want := range map[string]struct {
		metric scaler.Metric
		app    string
	}{
		"requests_per_minute default/web/app": {scaler.RequestsPerMinute, "default/web/app"},
		"concurrency prod/team/web/app":       {scaler.Concurrency, "prod/team/web/app"},
		"custom default/web/app":              {},
		"concurrency default/web":             {},
		"concurrency":                         {},
		"":                                    {},
	} {
		metric, app, err := parseQuery(query)
		name := ""
		if err == nil {
			name = app.String()
		}
		if metric != want.metric || name != want.app || (err == nil) != (want.app != "") {
			t.Errorf("%q is %q of %q, %v; want %q of %q", query, metric, name, err, want.metric, want.app)
		}
		if err != nil && !strings.Contains(err.Error(), "<namespace>/<job>/<group>") {
			t.Errorf("%q: error %v does not say what is allowed", query, err)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("requests_per_minute default/web/app")
	f.Fuzz(func(t *testing.T, query string) {
		metric, app, err := parseQuery(query)
		if err == nil && query != string(metric)+" "+app.String() {
			t.Errorf("%q became %q of %q", query, metric, app)
		}
	})
}

func TestQueryAlwaysReturnsAPoint(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, config := range map[string]map[string]string{
		"a gateway that does not listen": {keyGateways: "http://" + closed.Addr().String()},
		"a Nomad that does not listen":   {"nomad_address": "http://" + closed.Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAPM(hclog.NewNullLogger())
			if err := a.SetConfig(config); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			points, err := a.Query("concurrency default/web/app", sdk.TimeRange{From: now.Add(-time.Minute), To: now})
			if err != nil {
				t.Fatal(err)
			}
			if len(points) != 1 || !math.IsNaN(points[0].Value) {
				t.Errorf("the points are %v, want one NaN", points)
			}
		})
	}
}

// The samples that are left out of an idle time change no decision.
func TestThinnedMetricsDecideAlike(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 3, 0, time.UTC)
	p := nomadtest.Policy(t, "web", scaler.Document{"min_instances": "0"})
	rapid.Check(t, func(t *rapid.T) {
		var s load.Series
		for age := 0; age < 800; {
			value := rapid.SampledFrom([]float64{0, 0, 0, 1, 500, math.NaN()}).Draw(t, "value")
			step := rapid.SampledFrom([]int{5, 5, 5, 5, 20, 60, 65}).Draw(t, "step")
			for range rapid.IntRange(1, 100).Draw(t, "samples") {
				s = append(s, scaler.Sample{Time: now.Add(time.Duration(-age) * time.Second), Value: value})
				age += step
			}
		}
		slices.Reverse(s)
		o := scaler.Observation{
			Now: now, Desired: rapid.IntRange(0, 3).Draw(t, "desired"),
			LastChange: now.Add(time.Duration(-rapid.IntRange(0, 1200).Draw(t, "last change")) * time.Second),
		}
		o.Series = s
		whole := scaler.Decide(p, o)
		o.Series = samples(thinnedMetrics(s))
		if thinned := scaler.Decide(p, o); whole.Rule != thinned.Rule || whole.Count != thinned.Count || whole.Active != thinned.Active {
			t.Errorf("%d samples lead to rule %s and count %d, %d of them to %s and %d",
				len(s), whole.Rule, whole.Count, len(o.Series), thinned.Rule, thinned.Count)
		}
	})
}

func TestThinnedMetricsAreFewForAnIdleApp(t *testing.T) {
	var s load.Series
	for at := time.Duration(0); at <= 11*time.Minute; at += load.GridStep {
		s = append(s, scaler.Sample{Time: time.Unix(0, 0).Add(at)})
	}
	if n := len(thinnedMetrics(s)); n > 35 {
		t.Errorf("%d of %d samples are kept, want 35 at most", n, len(s))
	}
	s[0].Value = 1
	for i := range s {
		s[i].Value++
	}
	if n := len(thinnedMetrics(s)); n != len(s) {
		t.Errorf("%d of %d samples of a load are kept, want all", n, len(s))
	}
}

func TestSetConfigNamesAWrongGateway(t *testing.T) {
	err := NewAPM(hclog.NewNullLogger()).SetConfig(map[string]string{keyGateways: "10.0.0.1:9090"})
	if err == nil || !strings.Contains(err.Error(), `gateways = "10.0.0.1:9090"`) {
		t.Errorf("error %v, want one that names the key and the value", err)
	}
}
