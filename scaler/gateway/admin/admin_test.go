package admin_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/admin"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// fakeApps are the apps of a gateway that has none.
type fakeApps struct {
	known       bool
	unreachable error
}

func (*fakeApps) All() []*backend.App            { return nil }
func (*fakeApps) Find(scaler.AppID) *backend.App { return nil }
func (a *fakeApps) Known() bool                  { return a.known }
func (a *fakeApps) Unreachable() error           { return a.unreachable }

// config is that of a gateway without apps that is ready.
func config() admin.Config {
	return admin.Config{
		Gateway: "g1", Process: "p1", Apps: &fakeApps{known: true},
		Cluster: cluster.New(cluster.Config{}), Clock: new(cluster.LamportClock),
		Now: time.Now, Metrics: admin.NewMetrics(),
		Ending: func() bool { return false }, OverridesKnown: func() bool { return true },
	}
}

// ask asks the admin listener.
func ask(c admin.Config, method, path, authorization, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	admin.Handler(c).ServeHTTP(w, r)
	return w
}

func TestToken(t *testing.T) {
	c := config()
	c.Token = "open sesame"
	for _, test := range []struct {
		path, authorization string
		want                int
	}{
		{"/healthz", "", http.StatusOK},
		{"/readyz", "", http.StatusOK},
		{"/v1/apps", "", http.StatusUnauthorized},
		{"/v1/apps", "Bearer wrong", http.StatusUnauthorized},
		{"/v1/apps", "open sesame!", http.StatusUnauthorized},
		{"/v1/apps", "Bearer open sesame", http.StatusOK},
		{"/v1/load", "", http.StatusUnauthorized},
		{"/v1/load", "Bearer open sesame", http.StatusOK},
		{"/metrics", "", http.StatusUnauthorized},
		{"/metrics", "Bearer open sesame", http.StatusOK},
		{"/debug/pprof/", "", http.StatusUnauthorized},
		{"/debug/pprof/", "Bearer open sesame", http.StatusOK},
		{"/nothing", "", http.StatusUnauthorized},
		{"/nothing", "Bearer open sesame", http.StatusNotFound},
	} {
		if got := ask(c, http.MethodGet, test.path, test.authorization, "").Code; got != test.want {
			t.Errorf("%s with %q: got %d, want %d", test.path, test.authorization, got, test.want)
		}
	}
	if got := ask(c, http.MethodPost, "/v1/peer/permits", "", `{"process":"p2"}`).Code; got != http.StatusUnauthorized {
		t.Errorf("permits without a token: got %d, want 401", got)
	}
}

// A gateway says that it is ready once all is known that requests need, and no
// longer when it ends.
func TestReady(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*admin.Config)
		want   int
	}{
		"with all known": {func(*admin.Config) {}, http.StatusOK},
		"without Nomad": {func(c *admin.Config) { c.Apps = &fakeApps{known: true, unreachable: errors.New("no servers")} },
			http.StatusOK},
		"before the apps are known": {func(c *admin.Config) { c.Apps = &fakeApps{} }, http.StatusServiceUnavailable},
		"before the overrides are known": {func(c *admin.Config) { c.OverridesKnown = func() bool { return false } },
			http.StatusServiceUnavailable},
		"at the end": {func(c *admin.Config) { c.Ending = func() bool { return true } }, http.StatusServiceUnavailable},
	} {
		c := config()
		test.change(&c)
		if got := ask(c, http.MethodGet, "/readyz", "", "").Code; got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// A gateway that does not know an app has none of its permits, and its number is
// above the one that it hears.
func TestPermitsOfAnUnknownApp(t *testing.T) {
	w := ask(config(), http.MethodPost, "/v1/peer/permits", "",
		`{"process":"p2","app":"default/shop/web","number":41,"granted":{"a":1},"requested":{"a":2}}`)
	var got api.PermitReport
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("answered %d %q: %v", w.Code, w.Body, err)
	}
	if got.Process != "p1" || got.App.String() != "default/shop/web" || got.Number <= 41 || got.Granted != nil || got.Requested != nil {
		t.Errorf("got %+v, want nothing from p1 with a number above 41", got)
	}
	for _, text := range []string{"", "nonsense", `{"process":""}`, `{"process":"p2","number":-1}`, `{"process":"p2","granted":{"a":-1}}`} {
		if got := ask(config(), http.MethodPost, "/v1/peer/permits", "", text).Code; got != http.StatusBadRequest {
			t.Errorf("%q is answered %d, want 400", text, got)
		}
	}
}
