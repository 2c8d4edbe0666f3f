package gateway

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.declare(declared(t, appName, scaler.Document{"rate_limit": "0.5", "rate_limit_burst": "3"}))
		h := g.limit(func(http.ResponseWriter, *http.Request, *call) error { return nil })
		for range 3 {
			if err := serve(h, g.callFor(appName)); err != nil {
				t.Fatalf("within the burst: %v", err)
			}
		}
		for range 10 {
			got := asRefusal(serve(h, g.callFor(appName)))
			if got.Cause.Status() != http.StatusTooManyRequests || got.Cause != api.CauseRateLimit || got.RetryAfter != 2 {
				t.Fatalf("beyond the burst: got %+v, want 429 and to retry after 2", got)
			}
		}
		time.Sleep(2 * time.Second)
		if err := serve(h, g.callFor(appName)); err != nil {
			t.Errorf("after the time that Retry-After said: %v", err)
		}
		if serve(h, g.callFor(appName)) == nil {
			t.Error("two requests were let in for one token")
		}
		g.declare(declared(t, appName, nil))
		for range 100 {
			if err := serve(h, g.callFor(appName)); err != nil {
				t.Fatalf("without a limit: %v", err)
			}
		}
	})
}
