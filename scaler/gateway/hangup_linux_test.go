package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// A client that leaves does not stay in the queue, whatever it had still to send.
// One that waits is not taken for gone.
func TestClientsThatLeaveAreNoticed(t *testing.T) {
	g := serve(t)
	requests := map[string]string{
		"without a body":     "GET /apps/%s/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"with a body":        "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
		"with half a body":   "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nbody",
		"with a chunked one": "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
	}
	appOf := make(map[string]string)
	var apps []nomad.App
	for name := range requests {
		appOf[name] = fmt.Sprintf("default/left-%d/web", len(apps))
		apps = append(apps, declared(t, appOf[name], nil))
	}
	g.declare(apps)
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queued := func() int { return g.status(t, appOf[name]).Queued }
			conn := raw(t, g, fmt.Sprintf(request, appOf[name]))
			eventually(t, "the request waits", func() bool { return queued() == 1 })
			// The gateway looks at its clients every second.
			if pause(t.Context(), 1200*time.Millisecond); queued() != 1 {
				t.Fatal("a client that waits is taken for gone")
			}
			_ = conn.Close()
			eventually(t, "it has left the queue", func() bool { return queued() == 0 })
		})
	}
}
