package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// BenchmarkGateway compares the whole chain with a bare ReverseProxy that is
// tuned the same, over real connections and with a canned answer in their place:
// the second leaves what the proxy itself costs.
func BenchmarkGateway(b *testing.B) {
	answer := bytes.Repeat([]byte("x"), 100)
	address := instance(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	inFront := func() *served {
		g := serve(b)
		app := declared(b, webName, scaler.Document{"service_selection_mode": "min_load", "max_instances": "1"})
		g.declare([]nomad.App{app}, allocation(webName, "a", 0, address))
		eventually(b, "the instance is ready", func() bool { return g.status(b, webName).Running == 1 })
		return g
	}
	g := inFront()
	target := &url.URL{Scheme: "http", Host: address}
	bare := newBare(func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() })
	server := httptest.NewServer(bare)
	b.Cleanup(server.Close)

	b.Run("connections=real/proxy=bare", func(b *testing.B) { benchmarkReal(b, server.URL+"/") })
	b.Run("connections=real/proxy=gateway", func(b *testing.B) { benchmarkReal(b, g.url(webName)) })

	cannedGateway := inFront()
	bare.Transport = canned(answer)
	cannedGateway.SetTransport(canned(answer))
	b.Run("connections=none/proxy=bare", func(b *testing.B) { benchmarkCanned(b, bare) })
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
	r := httptest.NewRequest(http.MethodGet, "/apps/"+webName+"/", nil)
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
