package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// countedBody counts how often it is read.
type countedBody struct{ reads atomic.Int64 }

func (b *countedBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	return len(p), nil
}

// The body of a request that waits is not read.
func TestWaitingReadsNoBody(t *testing.T) {
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"start_timeout": "1s"})})
	body := new(countedBody)
	recorder := httptest.NewRecorder()
	g.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/apps/"+webName+"/", body))
	if recorder.Code != http.StatusServiceUnavailable || body.reads.Load() != 0 {
		t.Errorf("answered %d after %d reads of the body, want 503 after none", recorder.Code, body.reads.Load())
	}
}
