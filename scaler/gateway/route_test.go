package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestRoute(t *testing.T) {
	g := newGateway(t)
	g.declare(
		declared(t, "default/plain/web", nil),
		declared(t, "default/hosted/web", scaler.Document{"hosts": "shop.example.com,*.shop.example.com"}),
		declared(t, "default/api/web", scaler.Document{"hosts": "shop.example.com", "path_prefix": "/api/"}),
		declared(t, "default/api/v2", scaler.Document{"hosts": "shop.example.com", "path_prefix": "/api/v2"}),
		declared(t, "default/admin/web", scaler.Document{"hosts": "admin.shop.example.com"}),
		declared(t, "default/everywhere/web", scaler.Document{"path_prefix": "/status"}),
		declared(t, "default/team/shop/web", nil),
	)
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
		a, prefix := g.apps.table.Load().find(test.host, test.path)
		name := ""
		if a != nil {
			name = a.name
		}
		if name != test.app || prefix != test.prefix {
			t.Errorf("%q %.40q: got app %q at %q, want %q at %q", test.host, test.path, name, prefix, test.app, test.prefix)
		}
	}
}

func TestRouteRefuses(t *testing.T) {
	g := newGateway(t)
	reached := false
	h := g.route(func(http.ResponseWriter, *http.Request, *call) error { reached = true; return nil })
	check := func(status int, cause api.Cause) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://gateway/apps/"+appName+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := asRefusal(h(nil, r, new(call)))
		if got.Cause.Status() != status || got.Cause != cause {
			t.Errorf("got %d %s, want %d %s", got.Cause.Status(), got.Cause, status, cause)
		}
	}
	check(http.StatusServiceUnavailable, api.CauseStarting)
	g.declare()
	check(http.StatusNotFound, api.CauseNoApp)
	_, broken := scaler.Parse(scaler.Document{"max_instances": "many"})
	g.declare(nomad.App{ID: scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}, Err: broken})
	check(http.StatusServiceUnavailable, api.CausePolicyInvalid)
	if reached {
		t.Error("a request went on without an app")
	}
}

// What two apps ask for belongs to the older one, whatever the order in which
// they are reported; nobody takes another app's home.
func TestMountConflicts(t *testing.T) {
	g := newGateway(t)
	older := declared(t, "default/z/web", scaler.Document{"hosts": "shop.example.com,only.example.com"})
	newer := declared(t, "default/a/web", scaler.Document{"hosts": "shop.example.com"})
	thief := declared(t, "default/b/web", scaler.Document{"path_prefix": "/apps/default/a/web/"})
	older.Created, newer.Created, thief.Created = 1, 2, 3
	for _, order := range [][]nomad.App{{older, newer, thief}, {thief, newer, older}} {
		g.declare(order...)
		mounts, refused := map[string][]string{}, map[string][]string{}
		for _, s := range g.apps.statuses() {
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
}

func TestUnmounted(t *testing.T) {
	for _, test := range []struct{ path, escaped, prefix, wantPath, wantEscaped string }{
		{"/apps/d/j/g/x", "", "/apps/d/j/g", "/x", ""},
		{"/apps/d/j/g", "", "/apps/d/j/g", "/", ""},
		{"/apps/d/j/g/", "", "/apps/d/j/g", "/", ""},
		{"/x/y", "", "", "/x/y", ""},
		{"/api/a/b", "/api/a%2Fb", "/api", "/a/b", "/a%2Fb"},
		{"/api/a/b", "/%61pi/a%2Fb", "/api", "/a/b", "/a%2Fb"},
	} {
		path, escaped := unmounted(test.path, test.escaped, test.prefix)
		if path != test.wantPath || escaped != test.wantEscaped {
			t.Errorf("%q off %q (%q): got %q (%q), want %q (%q)", test.prefix, test.path, test.escaped, path, escaped, test.wantPath, test.wantEscaped)
		}
	}
}

// FuzzRoute compares with the plain definition: of the mounts whose host and
// prefix fit, the most special host's longest prefix.
func FuzzRoute(f *testing.F) {
	f.Add("shop.example.com:80", "/api/x", "/api", "*.example.com")
	f.Add("a.b", "//", "/", "b")
	f.Add("", "", "/a/b", "*.a")
	f.Add("x.y.", "/%2e%2e/x", "/a%2fb", "x.y")
	f.Fuzz(func(t *testing.T, host, target, prefix, mountHost string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		web := &app{name: "n/shop/web"}
		special := &app{name: "n/shop/special"}
		mountsOf := map[mounting]*app{
			home(web.name):     web,
			home(special.name): special,
			{prefix: "/shop"}:  web,
			{host: "*.shop"}:   web,
			{host: hostname(mountHost), prefix: strings.TrimRight(prefix, "/")}: special,
		}
		table := &table{hosts: make(map[string]*mounts)}
		for m, a := range mountsOf {
			table.mount(m, a)
		}
		got, gotPrefix := table.find(host, u.Path)
		want, wantPrefix := naive(mountsOf, hostname(host), u.Path)
		if got != want || gotPrefix != wantPrefix {
			t.Fatalf("%q %q: got %v at %q, want %v at %q", host, u.Path, got, gotPrefix, want, wantPrefix)
		}
		if got == nil {
			return
		}
		path, escaped := unmounted(u.Path, u.RawPath, gotPrefix)
		if !strings.HasPrefix(path, "/") {
			t.Fatalf("%q off %q leaves %q", gotPrefix, u.Path, path)
		}
		if back := gotPrefix + path; back != u.Path && back != u.Path+"/" {
			t.Fatalf("%q and %q are not %q", gotPrefix, path, u.Path)
		}
		if escaped != "" {
			if plain, err := url.PathUnescape(escaped); err != nil || plain != path {
				t.Fatalf("%q is not %q escaped (%v)", escaped, path, err)
			}
		}
	})
}

func naive(mountsOf map[mounting]*app, host, path string) (best *app, prefix string) {
	if !strings.HasPrefix(path, "/") {
		return nil, ""
	}
	_, rest, _ := strings.Cut(host, ".")
	hosts := []string{host, "*." + rest, ""}
	if !strings.Contains(host, ".") {
		hosts = slices.Delete(hosts, 1, 2)
	}
	for _, h := range hosts {
		for m, a := range mountsOf {
			if m.host == h && (path == m.prefix || strings.HasPrefix(path, m.prefix+"/")) && (best == nil || len(m.prefix) > len(prefix)) {
				best, prefix = a, m.prefix
			}
		}
		if best != nil {
			return best, prefix
		}
	}
	return nil, ""
}
