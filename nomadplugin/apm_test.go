package nomadplugin

import (
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/sdk"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
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
		if metric != want.metric || app != want.app || (err == nil) != (want.app != "") {
			t.Errorf("%q is %q of %q, %v; want %q of %q", query, metric, app, err, want.metric, want.app)
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
		if err == nil && query != string(metric)+" "+app {
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
				t.Errorf("the points are %v, want one that is not a number", points)
			}
		})
	}
}

func TestSetConfigNamesAWrongGateway(t *testing.T) {
	err := NewAPM(hclog.NewNullLogger()).SetConfig(map[string]string{keyGateways: "10.0.0.1:9090"})
	if err == nil || !strings.Contains(err.Error(), `gateways = "10.0.0.1:9090"`) {
		t.Errorf("error %v, want one that names the key and the value", err)
	}
}
