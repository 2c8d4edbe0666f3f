package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestReady(t *testing.T) {
	g := serve(t)
	ready := func() int {
		response := g.ask(t, "/readyz")
		response.Body.Close()
		return response.StatusCode
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("before anything is known: %d", got)
	}
	g.nomad.report(nil)
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("before the instances are known: %d", got)
	}
	g.nomad.instances.Replace(nil)
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("before the overrides are known: %d", got)
	}
	g.nomad.overrides(nil)
	if got := ready(); got != http.StatusOK {
		t.Errorf("with all known: %d", got)
	}
}

func TestAdminShowsLoad(t *testing.T) {
	release := make(chan struct{})
	g, url := fronting(t, scaler.Document{"metric": "concurrency", "target_concurrency_per_instance": "10"}, func(http.ResponseWriter,
		*http.Request) {
		<-release
	}, func(c *gateway.Config) { c.ID = "g1" })
	for range 3 {
		go func() {
			if response, err := http.Get(url + "/"); err == nil {
				response.Body.Close()
			}
		}()
	}
	defer close(release)
	eventually(t, "three requests are in flight", func() bool { return g.status(t, webName).InFlight == 3 })

	var report api.LoadReport
	g.admin(t, "/v1/load", &report)
	s := report.Apps[webID]
	if report.Gateway != "g1" || time.Since(report.Now) > time.Minute || len(report.Apps) != 1 || s.InFlight != 3 || s.Queued != 0 ||
		s.Concurrency != 3 || s.RequestsPerMinute != 3 || report.Series != nil {
		t.Errorf("/v1/load says %+v", report)
	}
	report = api.LoadReport{}
	g.admin(t, "/v1/load?app="+webName+"&metric=concurrency&window=11m", &report)
	if n := len(report.Series); n == 0 || report.Series[n-1].Value != 3 {
		t.Errorf("the series is %v, want 3 at the end", report.Series)
	}
	report = api.LoadReport{}
	g.admin(t, "/v1/load?app="+webName, &report)
	if report.Apps[webID].Concurrency != 3 || report.Series != nil {
		t.Errorf("for one app: %+v", report)
	}
	report = api.LoadReport{}
	g.admin(t, "/v1/load?metric=concurrency&window=11m", &report)
	if len(report.Shared) != 1 || len(report.Shared[0].Apps) != 1 || report.Shared[0].Apps[0] != webID || len(report.Apps) != 0 {
		t.Errorf("for all apps: %+v", report)
	} else if s := report.Shared[0].Series; len(s) == 0 || s[len(s)-1].Value != 3 {
		t.Errorf("for all apps the series is %v, want 3 at the end", s)
	}
	for path, want := range map[string]int{
		"?metric=custom&window=1m":                            http.StatusBadRequest,
		"?app=default/none/web":                               http.StatusNotFound,
		"?app=" + webName + "&metric=custom&window=1m":        http.StatusBadRequest,
		"?app=" + webName + "&metric=concurrency&window=soon": http.StatusBadRequest,
		"?app=" + webName + "&metric=concurrency":             http.StatusBadRequest,
	} {
		response := get(t, "http://"+g.AdminAddress()+"/v1/load"+path)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("/v1/load%s: got %s, want %d", path, response.Status, want)
		}
	}

	var apps []api.AppStatus
	g.admin(t, "/v1/apps", &apps)
	a := apps[0]
	if len(apps) != 1 || a.App != webID || a.Policy["metric"] != "concurrency" || !a.Enabled || a.Running != 1 || a.Desired != 1 ||
		a.Load == nil || *a.Load != 3 || len(a.Mounts) != 1 || len(a.Instances) != 1 || a.Instances[0].State != api.Ready ||
		a.Instances[0].InFlight != 3 || a.Instances[0].ID != "a" {
		t.Errorf("/v1/apps says %+v", apps)
	}
}

func TestMetrics(t *testing.T) {
	g := serve(t)
	address := instance(t, ok)
	g.nomad.onScale = func(int) { g.nomad.instances.Update(allocation(webName, "a", 0, address)) }
	g.declare([]nomad.App{
		declared(t, webName, scaler.Document{"min_instances": "0"}), declared(t, "default/full/web", scaler.Document{"max_queued_requests": "0"}),
	})
	url := "http://" + g.Address() + "/apps/"
	get(t, url+webName+"/").Body.Close()
	get(t, url+"default/full/web/").Body.Close()
	text := ""
	eventually(t, "the requests are counted", func() bool {
		text = g.metrics(t)
		return strings.Contains(text, `nomadscale_requests_total{app="default/shop/web",code="200"} 1`)
	})
	for _, want := range []string{
		`nomadscale_requests_total{app="default/full/web",code="429"} 1`,
		`nomadscale_rejected_total{app="default/full/web",cause="queue_full"} 1`,
		`nomadscale_request_duration_seconds_count{app="default/shop/web"} 1`,
		`nomadscale_gateway_duration_seconds_count{app="default/shop/web"} 1`,
		`nomadscale_held_duration_seconds_count{app="default/shop/web"} 1`,
		`nomadscale_cold_start_seconds_count{app="default/shop/web",phase="total"} 1`,
		`nomadscale_cold_start_seconds_count{app="default/shop/web",phase="ready"} 1`,
		`nomadscale_decisions_total{app="default/shop/web",rule="activate"} 1`,
		`nomadscale_scale_calls_total{app="default/shop/web",result="ok"} 1`,
		`nomadscale_requests_in_flight{app="default/shop/web"} 0`,
		`nomadscale_requests_queued{app="default/shop/web"} 0`,
		`nomadscale_instances{app="default/shop/web",state="ready"} 1`,
		`nomadscale_instances{app="default/shop/web",state="draining"} 0`,
		`nomadscale_instances_desired{app="default/shop/web"} 1`,
		`nomadscale_load{app="default/shop/web",metric="requests_per_minute"} 1`,
		`nomadscale_nomad_reachable 1`,
		`go_goroutines `, `process_cpu_seconds_total `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	var apps []api.AppStatus
	g.admin(t, "/v1/apps", &apps)
	var decisions map[string][]api.DecisionStatus
	g.admin(t, "/v1/decisions?app="+webName, &decisions)
	if d := decisions[webName]; len(decisions) != 1 || len(d) != 1 || d[0].Rule != scaler.RuleActivate || d[0].From != 0 || d[0].To != 1 ||
		d[0].Load != 1 || d[0].Demand != 0.01 || d[0].Goal != 1 || d[0].MaxInstances != 10 ||
		!strings.Contains(d[0].Reason, "woken by 1 request a minute") {
		t.Errorf("/v1/decisions says %+v", decisions)
	}
	if c := apps[1].ColdStart; c == nil || c.Total < c.Ready || c.Total <= 0 {
		t.Errorf("the cold start shown is %+v", c)
	}
	if d := apps[1].Decision; d == nil || d.Rule != scaler.RuleActivate || d.To != 1 || d.Reason == "" {
		t.Errorf("the decision shown is %+v", d)
	}
}
