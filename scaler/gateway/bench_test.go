package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// BenchmarkGateway compares the whole chain with a bare ReverseProxy that is
// tuned the same, over real connections and with a canned answer in their place:
// the second leaves what the proxy itself costs.
func BenchmarkGateway(b *testing.B) {
	answer := bytes.Repeat([]byte("x"), 100)
	address := upstreamServer(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	g := newGateway(b)
	g.apps.report([]nomad.App{declared(b, appName, scaler.Document{"service_selection_mode": "min_load", "max_instances": "1"})})
	g.apps.Replace([]nomad.Instance{allocation(appName, "a", 0, address)})
	running(b, g)
	eventually(b, "the instance is ready", func() bool { return g.apps.statuses()[0].Running == 1 })

	bare := newProxy(g.to, g.log)
	target := &url.URL{Scheme: "http", Host: address}
	bare.Rewrite = func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() }
	server := httptest.NewServer(bare)
	b.Cleanup(server.Close)

	b.Run("connections=real/proxy=bare", func(b *testing.B) { benchmarkReal(b, server.URL+"/") })
	b.Run("connections=real/proxy=gateway", func(b *testing.B) {
		benchmarkReal(b, "http://"+g.Address()+"/apps/"+appName+"/")
	})

	cannedBare, cannedGateway := bare, newGateway(b)
	cannedBare.Transport = canned(answer)
	cannedGateway.proxy.Transport = canned(answer)
	cannedGateway.declare(declared(b, appName, scaler.Document{"service_selection_mode": "min_load", "max_instances": "1"}))
	cannedGateway.apps.find(appName).addReady("a", 0)
	b.Run("connections=none/proxy=bare", func(b *testing.B) { benchmarkCanned(b, cannedBare) })
	b.Run("connections=none/proxy=gateway", func(b *testing.B) { benchmarkCanned(b, cannedGateway) })
}

func benchmarkReal(b *testing.B, url string) {
	b.ReportAllocs()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		response, err := client.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Fatal(response.Status)
		}
	}
}

// canned answers every request with the same body.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/plain"}}, ContentLength: int64(len(c)), Body: io.NopCloser(bytes.NewReader(c)),
	}, nil
}

func benchmarkCanned(b *testing.B, h http.Handler) {
	b.ReportAllocs()
	r := httptest.NewRequest(http.MethodGet, "/apps/"+appName+"/", nil)
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkRoute finds an app among many.
func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{1, 10000} {
		b.Run(fmt.Sprintf("apps=%d", n), func(b *testing.B) {
			t := &table{hosts: make(map[string]*mounts)}
			for i := range n {
				a := &app{name: fmt.Sprintf("default/shop-%d/web", i)}
				t.mount(home(a.name), a)
				t.mount(mounting{host: fmt.Sprintf("shop-%d.example.com", i)}, a)
			}
			path := "/apps/default/shop-0/web/" + strings.Repeat("part/", 5)
			b.ReportAllocs()
			for b.Loop() {
				if a, _ := t.find("gateway.example.com", path); a == nil {
					b.Fatal("no app")
				}
			}
		})
	}
}
