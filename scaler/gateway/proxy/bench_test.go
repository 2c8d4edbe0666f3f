package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// BenchmarkForward forwards requests without a connection, so that what is left is what
// the proxy itself costs, and the recorder of the answer.
func BenchmarkForward(b *testing.B) {
	p := proxy.New(proxy.Config{Transport: canned(strings.Repeat("x", 100))})
	for _, timeout := range []bool{false, true} {
		for _, text := range []string{"", "hello"} {
			b.Run(fmt.Sprintf("timeout=%t/body=%d", timeout, len(text)), func(b *testing.B) {
				r := httptest.NewRequest(http.MethodPost, "/apps/default/shop/web/", strings.NewReader(text))
				if text == "" {
					r = httptest.NewRequest(http.MethodGet, "/apps/default/shop/web/", nil)
				}
				b.ReportAllocs()
				for b.Loop() {
					a := proxy.Attempt{Instance: "a", Address: "instance:80", Prefix: "/apps/default/shop/web", Body: proxy.NewBody(r)}
					if timeout {
						a.Timeout = time.Minute
						a.Deadline = time.Now().Add(a.Timeout)
					}
					if result := p.Forward(httptest.NewRecorder(), r, a); result.Cause != "" {
						b.Fatal(result.Err)
					}
				}
			})
		}
	}
}
