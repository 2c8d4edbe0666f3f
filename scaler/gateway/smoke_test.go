package gateway_test

import (
	"net/http"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestSmoke(t *testing.T) {
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, nil)}, allocation(webName, "a", 0, instance(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hi")) })))
	g.wantStates(t, map[string]api.State{"a": api.Ready})
	for range 10 {
		if got := body(t, get(t, g.url(webName))); got != "hi" {
			t.Error(got)
		}
	}
	t.Log(body(t, get(t, "http://"+g.AdminAddress()+"/metrics"))[:300])
}
