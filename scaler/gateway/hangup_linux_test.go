package gateway

import (
	"fmt"
	"net"
	"testing"
)

// A client that leaves does not stay in the queue, whatever it had still to send.
func TestHoldNoticesClientsThatLeave(t *testing.T) {
	g := newGateway(t)
	running(t, g)
	g.declare(declared(t, appName, nil))
	queued := func() int { return g.apps.find(appName).status(g.now(), nil).Queued }
	for name, request := range map[string]string{
		"without a body":     "GET /apps/%s/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"with a body":        "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
		"with half a body":   "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nbody",
		"with a chunked one": "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", g.Address())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			fmt.Fprintf(conn, request, appName)
			eventually(t, "the request waits", func() bool { return queued() == 1 })
			if watch := conn.(*net.TCPConn); hungUp(watch) {
				t.Fatal("a client that waits is taken for gone")
			}
			_ = conn.Close()
			eventually(t, "it has left the queue", func() bool { return queued() == 0 })
		})
	}
}
