package route_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/route"
)

func TestFind(t *testing.T) {
	table := route.NewTable[string]()
	for target, routes := range map[string][]route.Route{
		"plain":      {{Prefix: "/apps/default/plain/web"}},
		"team":       {{Prefix: "/apps/default/team/shop/web"}},
		"hosted":     {{Host: "shop.example.com"}, {Host: "*.shop.example.com"}},
		"api":        {{Host: "shop.example.com", Prefix: "/api"}},
		"v2":         {{Host: "shop.example.com", Prefix: "/api/v2"}},
		"admin":      {{Host: "admin.shop.example.com"}},
		"everywhere": {{Prefix: "/status"}},
	} {
		for _, r := range routes {
			if owner := table.Add(r, target); owner != target {
				t.Errorf("%s belongs to %q, want %q", r, owner, target)
			}
		}
	}
	for _, test := range []struct{ host, path, target, prefix string }{
		{"any.example.org", "/apps/default/plain/web/", "plain", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/web", "plain", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/web/x/y", "plain", "/apps/default/plain/web"},
		{"any.example.org", "/apps/default/plain/website", "", ""},
		{"any.example.org", "/apps/default/plain", "", ""},
		{"any.example.org", "/", "", ""},
		{"any.example.org", "", "", ""},
		{"any.example.org", "*", "", ""},
		{"", "/apps/default/plain/web/", "plain", "/apps/default/plain/web"},
		{"", "/apps/default/team/shop/web/x", "team", "/apps/default/team/shop/web"},

		{"shop.example.com", "/", "hosted", ""},
		{"SHOP.example.com:8080", "/", "hosted", ""},
		{"shop.example.com.", "/x", "hosted", ""},
		{"eu.shop.example.com", "/", "hosted", ""},
		{"a.eu.shop.example.com", "/", "", ""},
		{"example.com", "/", "", ""},
		{"admin.shop.example.com", "/", "admin", ""},

		{"shop.example.com", "/api", "api", "/api"},
		{"shop.example.com", "/api/v1", "api", "/api"},
		{"shop.example.com", "/api/v2", "v2", "/api/v2"},
		{"shop.example.com", "/api/v2/x", "v2", "/api/v2"},
		{"shop.example.com", "/api/v20", "api", "/api"},
		{"shop.example.com", "/apiary", "hosted", ""},
		{"eu.shop.example.com", "/api/v2", "hosted", ""},

		{"any.example.org", "/status/x", "everywhere", "/status"},
		{"[::1]:8080", "/status", "everywhere", "/status"},
		{"shop.example.com", "/status", "hosted", ""},
		{"any.example.org", strings.Repeat("/x", 40000), "", ""},
	} {
		target, prefix, ok := table.Find(test.host, test.path)
		if target != test.target || prefix != test.prefix || ok != (test.target != "") {
			t.Errorf("%q %.40q: got %q at %q (%t), want %q at %q", test.host, test.path, target, prefix, ok, test.target, test.prefix)
		}
	}
}

// A table may have routes for one host only, or none at all.
func TestFindInSmallTables(t *testing.T) {
	table := route.NewTable[int]()
	if _, _, ok := table.Find("a.example.com", "/"); ok {
		t.Error("a table without routes has a target")
	}
	table.Add(route.Route{Host: "a.example.com"}, 1)
	if target, _, ok := table.Find("a.example.com", "/x"); !ok || target != 1 {
		t.Errorf("the only host has the target %d (%t), want 1", target, ok)
	}
	if _, _, ok := table.Find("b.example.com", "/x"); ok {
		t.Error("another host has a target")
	}
}

// The zero value of the target's type is a target like any other.
func TestARouteHasOneOwner(t *testing.T) {
	table, shop := route.NewTable[int](), route.Route{Host: "shop.example.com", Prefix: "/api"}
	if _, ok := table.Owner(shop); ok {
		t.Error("a route that nothing was added for has an owner")
	}
	table.Add(shop, 0)
	if owner := table.Add(shop, 1); owner != 0 {
		t.Errorf("the second target became the owner %d, want 0", owner)
	}
	if owner, ok := table.Owner(shop); !ok || owner != 0 {
		t.Errorf("the owner is %d (%t), want 0", owner, ok)
	}
	for _, other := range []route.Route{{Host: shop.Host}, {Prefix: shop.Prefix}, {Host: shop.Host, Prefix: "/api/v2"}} {
		if _, ok := table.Owner(other); ok {
			t.Errorf("%s has an owner", other)
		}
	}
}

func TestRouteIsShown(t *testing.T) {
	for want, r := range map[string]route.Route{
		"/":                     {},
		"/apps/default/shop/w/": {Prefix: "/apps/default/shop/w"},
		"*.example.com/api/":    {Host: "*.example.com", Prefix: "/api"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHostname(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "Shop.Example.com": "shop.example.com", "shop:80": "shop", "shop.:80": "shop", "[::1]": "[::1]", "[::1]:80": "[::1]",
	} {
		if got := route.Hostname(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

// FuzzRoute compares with the plain definition: of the routes whose host and
// prefix fit, the most special host's longest prefix.
func FuzzRoute(f *testing.F) {
	f.Add("shop.example.com:80", "/api/x", "/api", "*.example.com")
	f.Add("a.b", "//", "/", "b")
	f.Add("", "", "/a/b", "*.a")
	f.Add("x.y.", "/%2e%2e/x", "/a%2fb", "x.y")
	f.Fuzz(func(t *testing.T, host, target, prefix, routeHost string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		routes := map[route.Route]string{
			{Prefix: "/apps/n/shop/web"}:     "web",
			{Prefix: "/apps/n/shop/special"}: "special",
			{Prefix: "/shop"}:                "web",
			{Host: "*.shop"}:                 "web",
			{Host: route.Hostname(routeHost), Prefix: strings.TrimRight(prefix, "/")}: "special",
		}
		table := route.NewTable[string]()
		for r, target := range routes {
			table.Add(r, target)
		}
		got, gotPrefix, ok := table.Find(host, u.Path)
		want, wantPrefix := naive(routes, route.Hostname(host), u.Path)
		if got != want || gotPrefix != wantPrefix || ok != (want != "") {
			t.Fatalf("%q %q: got %q at %q (%t), want %q at %q", host, u.Path, got, gotPrefix, ok, want, wantPrefix)
		}
	})
}

// naive returns "" where no route fits.
func naive(routes map[route.Route]string, host, path string) (target, prefix string) {
	if !strings.HasPrefix(path, "/") {
		return "", ""
	}
	_, rest, _ := strings.Cut(host, ".")
	hosts := []string{host, "*." + rest, ""}
	if !strings.Contains(host, ".") {
		hosts = slices.Delete(hosts, 1, 2)
	}
	for _, h := range hosts {
		for r, at := range routes {
			if r.Host == h && (path == r.Prefix || strings.HasPrefix(path, r.Prefix+"/")) && (target == "" || len(r.Prefix) > len(prefix)) {
				target, prefix = at, r.Prefix
			}
		}
		if target != "" {
			return target, prefix
		}
	}
	return "", ""
}

// BenchmarkFind finds a target among many.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1, 10000} {
		b.Run(fmt.Sprintf("apps=%d", n), func(b *testing.B) {
			table := route.NewTable[*int]()
			for i := range n {
				table.Add(route.Route{Prefix: fmt.Sprintf("/apps/default/shop-%d/web", i)}, &i)
				table.Add(route.Route{Host: fmt.Sprintf("shop-%d.example.com", i)}, &i)
			}
			path := "/apps/default/shop-0/web/" + strings.Repeat("part/", 5)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, ok := table.Find("gateway.example.com", path); !ok {
					b.Fatal("no target")
				}
			}
		})
	}
}
