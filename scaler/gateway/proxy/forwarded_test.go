package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// rewritten are the headers that an instance sees of a request.
func rewritten(trusted bool, r *http.Request) http.Header {
	out := sent(proxy.Config{TrustForwarded: trusted}, r, proxy.Attempt{Address: "instance:80"}).Header
	delete(out, "User-Agent")
	return out
}

// Only a trusted proxy's word on where a request comes from is passed on, in any
// spelling. A trace goes on, and headers of one connection do not.
func TestForwardedHeaders(t *testing.T) {
	said := http.Header{
		"X-Forwarded-For": {"203.0.113.1", "203.0.113.2"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside"}, "X-Forwarded-Port": {"443"},
		"X_forwarded_for": {"203.0.113.3"}, "X-Real-Ip": {"203.0.113.4"}, "Forwarded": {"for=203.0.113.1", "for=203.0.113.2;proto=https"},
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Tracestate": {"a=1", "b=2"},
		"Connection": {"X-Hop, keep-alive", "X-Other"}, "X-Hop": {"1"}, "X-Other": {"1"}, "Keep-Alive": {"1"}, "Proxy-Connection": {"1"},
		"Proxy-Authorization": {"1"}, "Te": {"gzip"}, "X-Forward": {"kept"}, "Foo": {"kept"},
	}
	kept := http.Header{
		"Traceparent": said["Traceparent"], "Tracestate": said["Tracestate"], "X-Forward": {"kept"}, "Foo": {"kept"},
	}
	for _, test := range []struct {
		remote  string
		trusted bool
		want    http.Header
	}{
		{"192.0.2.7:1234", false, http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"example.com"}}},
		{"[2001:db8::1]:1234", true, http.Header{
			"X-Forwarded-For": {"203.0.113.1, 203.0.113.2, 2001:db8::1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside"},
			"X-Forwarded-Port": {"443"}, "X_forwarded_for": {"203.0.113.3"}, "X-Real-Ip": {"203.0.113.4"},
			"Forwarded": {`for=203.0.113.1, for=203.0.113.2;proto=https, for="[2001:db8::1]"`},
		}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header = test.remote, said.Clone()
		for name, values := range kept {
			test.want[name] = values
		}
		if diff := cmp.Diff(test.want, rewritten(test.trusted, r)); diff != "" {
			t.Errorf("trusted %t (-want +got):\n%s", test.trusted, diff)
		}
	}
}

func TestClientAddress(t *testing.T) {
	for _, test := range []struct {
		header  http.Header
		trusted bool
		want    string
	}{
		{http.Header{"X-Forwarded-For": {"203.0.113.1"}, "Forwarded": {"for=203.0.113.2"}}, false, "192.0.2.7"},
		{nil, true, "192.0.2.7"},
		{http.Header{"X-Forwarded-For": {"203.0.113.1", "203.0.113.2, 203.0.113.3"}}, true, "203.0.113.3"},
		{http.Header{"X-Forwarded-For": {"203.0.113.1:4711"}}, true, "203.0.113.1"},
		{http.Header{"X-Forwarded-For": {"2001:db8::1"}}, true, "2001:db8::1"},
		{http.Header{"X-Forwarded-For": {"[2001:DB8::1]:4711"}}, true, "2001:db8::1"},
		{http.Header{"X-Forwarded-For": {"unknown"}}, true, "unknown"},
		{http.Header{"Forwarded": {"for=203.0.113.1", `for=203.0.113.2;by=x, proto=https;For="[2001:db8::1]:4711"`}}, true, "2001:db8::1"},
		{http.Header{"Forwarded": {`for="_a,b;for=c"`}}, true, "_a,b;for=c"},
		{http.Header{"Forwarded": {"for=203.0.113.1, proto=https"}}, true, ""},
		{http.Header{"X-Forwarded-For": {"203.0.113.1"}, "Forwarded": {"for=203.0.113.2"}}, true, "203.0.113.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header = "192.0.2.7:1234", test.header
		if got := proxy.New(proxy.Config{TrustForwarded: test.trusted}).ClientAddress(r); got != test.want {
			t.Errorf("trusted %t, %v: got %q, want %q", test.trusted, test.header, got, test.want)
		}
	}
}

// Without trust, nothing that a client writes is believed or passed on. With trust, a
// chain that ends in an address gives that address, and each chain goes on with the
// proxy's own.
func FuzzForwarded(f *testing.F) {
	f.Add("X-Forwarded-For", "203.0.113.1, 203.0.113.2", `for="[2001:db8::1]:80";proto=https, for=unknown`)
	f.Add("x_forwarded_host", "[::1", `for="a\"b;c,`)
	f.Add("Forwarded", "[2001:db8::1]:80", `,;="`)
	plain := proxy.New(proxy.Config{})
	trusting := proxy.New(proxy.Config{TrustForwarded: true})
	f.Fuzz(func(t *testing.T, name, chain, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header = http.Header{http.CanonicalHeaderKey(name): {chain}, "Forwarded": {forwarded}}
		if got := plain.ClientAddress(r); got != "192.0.2.7" {
			t.Errorf("a client says that it is %q", got)
		}
		trusting.ClientAddress(r)
		for name, values := range rewritten(false, r) {
			switch hyphens := strings.ToLower(strings.ReplaceAll(name, "_", "-")); {
			case hyphens == "forwarded", hyphens == "x-real-ip":
				t.Errorf("%s is passed on: %q", name, values)
			case strings.HasPrefix(hyphens, "x-forwarded-") && !slices.Contains([]string{"192.0.2.7", "example.com", "http"}, values[0]):
				t.Errorf("%s is passed on: %q", name, values)
			}
		}
		if got := rewritten(true, r).Get("Forwarded"); !strings.HasSuffix(got, ", for=192.0.2.7") {
			t.Errorf("Forwarded goes on as %q", got)
		}
		r.Header = http.Header{"X-Forwarded-For": {chain}}
		last := strings.TrimSpace(chain[strings.LastIndexByte(chain, ',')+1:])
		if address, err := netip.ParseAddr(last); err == nil {
			if got := trusting.ClientAddress(r); got != address.String() {
				t.Errorf("the chain %q ends in %q, want %s", chain, got, address)
			}
		}
		if got := rewritten(true, r).Get("X-Forwarded-For"); got != chain+", 192.0.2.7" {
			t.Errorf("the chain %q goes on as %q", chain, got)
		}
	})
}
