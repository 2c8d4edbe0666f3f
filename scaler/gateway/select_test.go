package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// A request of an app whose mode is exact names the instances that it could have
// meant.
func TestExactRefusesSeveral(t *testing.T) {
	first, second := instance(t, ok), instance(t, ok)
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"service_selection_mode": "exact"})}, allocation(webName, "b", 0, first))
	if err := fetch(g.url(webName)); err != nil {
		t.Fatalf("with one instance: %v", err)
	}
	g.nomad.instances.Update(allocation(webName, "a", 1, second))
	g.wantStates(t, map[string]api.State{"b": api.Ready, "a": api.Ready})
	got := refusal(t, get(t, g.url(webName)))
	want := []api.InstanceRef{{ID: "b", Index: 0, Address: first}, {ID: "a", Index: 1, Address: second}}
	if got.Cause.Status() != http.StatusConflict || got.Cause != api.CauseSeveralInstances {
		t.Errorf("with two instances: got %d %s, want 409 %s", got.Cause.Status(), got.Cause, api.CauseSeveralInstances)
	}
	if diff := cmp.Diff(want, got.Instances); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
}

// hashedValues is how many keys a test has, and hashedInstances how many instances.
const hashedValues, hashedInstances = 12, 8

// TestHashKey compares where requests go with where they go by a header that has
// the key which is expected.
func TestHashKey(t *testing.T) {
	const expected = "default/expected/web"
	var servers []string
	for n := range hashedInstances {
		servers = append(servers, instance(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, n) }))
	}
	gateways := make(map[bool]*served)
	for _, trusting := range []bool{false, true} {
		gateways[trusting] = serve(t, func(c *gateway.Config) { c.TrustForwarded = trusting })
	}
	// at is the instance that a request reaches.
	at := func(g *served, app string, r *http.Request) string {
		r.URL.Path = "/apps/" + app + "/"
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for _, test := range []struct {
		trusting bool
		key      string
		// want is what the key begins with; "" if there is none.
		want string
	}{
		{false, "client_address", "192.0.2."},
		{true, "client_address", "203.0.113."},
		{false, "header:X-Session", "session-"},
		{false, "header:X-Other", ""},
		{false, "cookie:session", "cookie-"},
		{false, "cookie:other", ""},
	} {
		g := gateways[test.trusting]
		apps := []nomad.App{
			declared(t, webName, scaler.Document{"service_selection_mode": "hash", "hash_key": test.key, "min_instances": "8"}),
			declared(t, expected, scaler.Document{"service_selection_mode": "hash", "hash_key": "header:X-Expected", "min_instances": "8"}),
		}
		var instances []nomad.Instance
		for n, address := range servers {
			for _, app := range apps {
				instances = append(instances, allocation(app.ID.String(), fmt.Sprint("instance-", n), n, address))
			}
		}
		g.declare(apps, instances...)
		for _, app := range []string{webName, expected} {
			eventually(t, "all instances are ready", func() bool { return g.status(t, app).Running == hashedInstances })
		}
		seen := make(map[string]bool)
		for n := range hashedValues {
			request := func() *http.Request {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1234", n)
				r.Header.Set("X-Session", fmt.Sprint("session-", n))
				r.Header.Add("X-Forwarded-For", "203.0.113.101, 203.0.113.102")
				r.Header.Add("X-Forwarded-For", fmt.Sprintf("203.0.113.103, 203.0.113.%d", n))
				r.AddCookie(&http.Cookie{Name: "session", Value: fmt.Sprint("cookie-", n)})
				return r
			}
			if test.want == "" {
				// Without a key a request goes anywhere, whatever else is the same.
				for range 40 {
					seen[at(g, webName, request())] = true
				}
				continue
			}
			r := request()
			r.Header.Set("X-Expected", test.want+fmt.Sprint(n))
			got, want := at(g, webName, request()), at(g, expected, r)
			seen[got] = true
			if got != want {
				t.Errorf("%s, trusting %t: request %d went to instance %s, want %s, where the key %s%d goes",
					test.key, test.trusting, n, got, want, test.want, n)
			}
		}
		if test.want == "" && len(seen) != hashedInstances {
			t.Errorf("%s: without a key only %d of %d instances had requests", test.key, len(seen), hashedInstances)
		}
		if len(seen) < 2 {
			t.Errorf("%s: all keys went to one instance", test.key)
		}
	}
}

// Without the mode hash the keys do not matter.
func TestHashKeyOnlyMattersByHash(t *testing.T) {
	g := serve(t)
	apps := []nomad.App{declared(t, webName, scaler.Document{"service_selection_mode": "random", "min_instances": "3"})}
	var instances []nomad.Instance
	for n := range 3 {
		address := instance(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, n) })
		instances = append(instances, allocation(webName, fmt.Sprint(n), n, address))
	}
	g.declare(apps, instances...)
	eventually(t, "all instances are ready", func() bool { return g.status(t, webName).Running == 3 })
	seen := make(map[string]bool)
	for range 60 {
		seen[body(t, get(t, g.url(webName)))] = true
	}
	if len(seen) != 3 {
		t.Errorf("requests of one client went to %d instances, want all 3", len(seen))
	}
}

// An answer that breaks off gives its room at the instance back, is no longer load,
// and counts with the status that it had.
func TestAnswersThatBreakOffGiveTheirRoomBack(t *testing.T) {
	g, url := fronting(t, scaler.Document{"metric": "concurrency"}, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if err := fetch(url); err == nil {
		t.Error("an answer that broke off looks whole")
	}
	eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })
	var report api.LoadReport
	eventually(t, "there is no load", func() bool {
		g.admin(t, "/v1/load", &report)
		return report.Apps[webID].Concurrency == 0
	})
	eventually(t, "the request is counted", func() bool {
		return strings.Contains(g.metrics(t), `nomadscale_requests_total{app="default/shop/web",code="200"} 1`)
	})
}
