package gateway

import (
	"net/http"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// SetTransport makes a gateway that has no requests yet reach its instances
// another way.
func (g *Gateway) SetTransport(t http.RoundTripper) {
	g.proxy = proxy.New(proxy.Config{Now: g.config.Now, Log: g.config.Log, Transport: t})
}
