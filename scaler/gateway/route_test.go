package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Requests reach the app whose home or whose policy fits host and path best.
func TestRoute(t *testing.T) {
	g := serve(t)
	var apps []nomad.App
	var instances []nomad.Instance
	for app, document := range map[string]scaler.Document{
		"default/plain/web":      nil,
		"default/hosted/web":     {"hosts": "shop.example.com,*.shop.example.com"},
		"default/api/web":        {"hosts": "shop.example.com", "path_prefix": "/api/"},
		"default/api/v2":         {"hosts": "shop.example.com", "path_prefix": "/api/v2"},
		"default/admin/web":      {"hosts": "admin.shop.example.com"},
		"default/everywhere/web": {"path_prefix": "/status"},
		"default/team/shop/web":  nil,
	} {
		apps = append(apps, declared(t, app, document))
		instances = append(instances, allocation(app, app, 0, instance(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, app, " at ", r.Header.Get("X-Forwarded-Prefix"))
		})))
	}
	g.declare(apps, instances...)
	for _, test := range []struct{ host, path, app, prefix string }{
		{"any.example.org", "/apps/default/plain/web/", "default/plain/web", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/web", "default/plain/web", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/web/x/y", "default/plain/web", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/website", "", ""},
		{"any.example.org", "/apps/default/plain", "", ""},
		{"any.example.org", "/", "", ""},
		{"any.example.org", "", "", ""},
		{"any.example.org", "*", "", ""},
		{"", "/apps/default/plain/web/", "default/plain/web", "/apps/default/plain/web"},
		{"", "/apps/default/team/shop/web/x", "default/team/shop/web", "/apps/default/team/shop/web"},

		{"shop.example.com", "/", "default/hosted/web", ""},
		{"SHOP.example.com:8080", "/", "default/hosted/web", ""},
		{"shop.example.com.", "/x", "default/hosted/web", ""},
		{"eu.shop.example.com", "/", "default/hosted/web", ""},
		{"a.eu.shop.example.com", "/", "", ""},
		{"example.com", "/", "", ""},
		{"admin.shop.example.com", "/", "default/admin/web", ""},

		{"shop.example.com", "/api", "default/api/web", "/api"},
		{"shop.example.com", "/api/v1", "default/api/web", "/api"},
		{"shop.example.com", "/api/v2", "default/api/v2", "/api/v2"},
		{"shop.example.com", "/api/v2/x", "default/api/v2", "/api/v2"},
		{"shop.example.com", "/api/v20", "default/api/web", "/api"},
		{"shop.example.com", "/apiary", "default/hosted/web", ""},
		{"eu.shop.example.com", "/api/v2", "default/hosted/web", ""},

		{"any.example.org", "/status/x", "default/everywhere/web", "/status"},
		{"[::1]:8080", "/status", "default/everywhere/web", "/status"},
		{"shop.example.com", "/status", "default/hosted/web", ""},
		{"any.example.org", strings.Repeat("/x", 40000), "", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.URL = test.host, &url.URL{Path: test.path}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if test.app == "" {
			if got := refusal(t, w.Result()); got.Cause != api.CauseNoApp || got.App != (scaler.AppID{}) {
				t.Errorf("%q %.40q: got %+v, want that no app is there", test.host, test.path, got)
			}
			continue
		}
		if got, want := w.Body.String(), test.app+" at "+test.prefix; got != want {
			t.Errorf("%q %.40q: got %d %q, want %q", test.host, test.path, w.Code, got, want)
		}
	}
}

func TestRouteRefuses(t *testing.T) {
	reached := false
	address := instance(t, func(http.ResponseWriter, *http.Request) { reached = true })
	g := serve(t)
	check := func(status int, cause api.Cause) {
		t.Helper()
		response := get(t, g.url(webName))
		if got := refusal(t, response); response.StatusCode != status || got.Cause != cause {
			t.Errorf("got %d %s, want %d %s", response.StatusCode, got.Cause, status, cause)
		}
	}
	check(http.StatusServiceUnavailable, api.CauseStarting)
	g.declare(nil)
	check(http.StatusNotFound, api.CauseNoApp)
	_, broken := scaler.Parse(scaler.Document{"max_instances": "many"})
	g.declare([]nomad.App{{ID: webID, Err: broken}}, allocation(webName, "a", 0, address))
	check(http.StatusServiceUnavailable, api.CausePolicyInvalid)
	if reached {
		t.Error("a request went on without an app")
	}
}

// What two apps ask for belongs to the older one, whatever the order in which
// they are reported. No app takes another one's home.
func TestMountConflicts(t *testing.T) {
	g := serve(t)
	older := declared(t, "default/z/web", scaler.Document{"hosts": "shop.example.com,only.example.com"})
	newer := declared(t, "default/a/web", scaler.Document{"hosts": "shop.example.com"})
	thief := declared(t, "default/b/web", scaler.Document{"path_prefix": "/apps/default/a/web/"})
	older.Created, newer.Created, thief.Created = 1, 2, 3
	for _, order := range [][]nomad.App{{older, newer, thief}, {thief, newer, older}} {
		g.declare(nil)
		g.declare(order)
		mounts, refused := map[string][]string{}, map[string][]string{}
		for _, s := range g.statuses(t) {
			mounts[s.App.String()] = s.Mounts
			if s.Refused != nil {
				refused[s.App.String()] = s.Refused
			}
		}
		wantMounts := map[string][]string{
			"default/z/web": {"/apps/default/z/web/", "shop.example.com/", "only.example.com/"},
			"default/a/web": {"/apps/default/a/web/"},
			"default/b/web": {"/apps/default/b/web/"},
		}
		wantRefused := map[string][]string{
			"default/a/web": {"shop.example.com/ belongs to default/z/web"},
			"default/b/web": {"/apps/default/a/web/ belongs to default/a/web"},
		}
		if diff := cmp.Diff(wantMounts, mounts); diff != "" {
			t.Errorf("mounts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantRefused, refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
	}
	// A place that the older one gives up is the newer one's.
	older.Policy.Hosts = []string{"only.example.com"}
	g.nomad.report([]nomad.App{older, newer, thief})
	if s := g.status(t, "default/a/web"); len(s.Refused) != 0 || len(s.Mounts) != 2 || s.Mounts[1] != "shop.example.com/" {
		t.Errorf("after the older app has given its host up, the newer one shows %+v", s)
	}
}
