package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// between is a gateway between clients and two instances, the first of which all
// requests go to as long as it is ready.
func between(t *testing.T, first, second string) (g *served, url string) {
	t.Helper()
	g = serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"service_selection_mode": "first"})}, allocation(webName, "a", 0, first),
		allocation(webName, "b", 1, second))
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Ready})
	return g, g.url(webName)
}

// breaking answers with what it is told to of each request, and then breaks the
// connection off.
func breaking(t *testing.T, answer string) (address string, seen *atomic.Int64) {
	t.Helper()
	seen = new(atomic.Int64)
	return instance(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(conn, answer)
			_ = conn.Close()
		}
	}), seen
}

// What an instance may have had goes to another only if that is safe.
func TestRetryOnlyWhereItIsSafe(t *testing.T) {
	large := strings.Repeat("x", 64<<10+1)
	key := http.Header{"Idempotency-Key": {"1"}}
	for _, test := range []struct {
		name, method, body string
		header             http.Header
		// begun is what comes of the answer before the connection breaks.
		begun string
		again bool
	}{
		{name: "GET", method: http.MethodGet, again: true},
		{name: "HEAD", method: http.MethodHead, again: true},
		{name: "OPTIONS", method: http.MethodOptions, again: true},
		{name: "DELETE", method: http.MethodDelete, again: true},
		{name: "PUT with a small body", method: http.MethodPut, body: "hello", again: true},
		{name: "PUT with a large body", method: http.MethodPut, body: large},
		{name: "PUT with a body of any length", method: http.MethodPut, body: "hello", header: http.Header{"Transfer-Encoding": {"chunked"}}},
		{name: "POST", method: http.MethodPost, body: "hello"},
		{name: "POST without a body", method: http.MethodPost},
		{name: "POST with a key", method: http.MethodPost, body: "hello", header: key, again: true},
		{name: "PATCH", method: http.MethodPatch, body: "hello"},
		{name: "GET that is being answered", method: http.MethodGet, begun: "HTTP/1.1 2"},
		{name: "GET that is told to wait", method: http.MethodGet, begun: "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, seen := breaking(t, test.begun)
			g, url := between(t, first, instance(t, echo))
			response := send(t, test.method, url, test.body, test.header)
			if test.again {
				if got := body(t, response); response.StatusCode != http.StatusOK || got != test.body {
					t.Errorf("got %s %q, want the other instance's answer", response.Status, got)
				}
			} else if got := refusal(t, response); got.Cause.Status() != http.StatusBadGateway || got.Cause != api.CauseBadAnswer {
				t.Errorf("got %+v, want 502", got)
			}
			if seen.Load() != 1 {
				t.Errorf("the instance had the request %d times", seen.Load())
			}
			retries := fmt.Sprintf("nomadscale_retries_total{app=%q,reason=\"idempotent\"} 1\n", webName)
			if counted := strings.Contains(g.metrics(t), retries); counted != test.again {
				t.Errorf("one retry is counted: %t, want %t", counted, test.again)
			}
		})
	}
}

// A request that breaks whatever instance has it is sent twice, not to all.
func TestRetryEndsAfterOneReplay(t *testing.T) {
	first, seenFirst := breaking(t, "")
	second, seenSecond := breaking(t, "")
	_, url := between(t, first, second)
	if got := refusal(t, get(t, url)); got.Cause.Status() != http.StatusBadGateway || got.Cause != api.CauseBadAnswer {
		t.Errorf("got %+v, want 502", got)
	}
	if seenFirst.Load() != 1 || seenSecond.Load() != 1 {
		t.Errorf("the instances had the request %d and %d times, want once each", seenFirst.Load(), seenSecond.Load())
	}
}

// A connection that an instance has closed while it was idle costs no request,
// even one that cannot be sent twice; and an instance that dies with the request
// on a connection that was used before is known to have had it.
func TestRetryAfterTheTransportsOwn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					if r.URL.Path == "/die" {
						seen.Add(1)
						_ = l.Close()
						return
					}
					fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	second, seenSecond := breaking(t, "")
	g, url := between(t, l.Addr().String(), second)
	if response := get(t, url); response.StatusCode != http.StatusNoContent {
		t.Fatalf("got %s", response.Status)
	}
	// The transport finds the used connection broken, and the next one is refused.
	if got := refusal(t, get(t, url+"die")); got.Cause.Status() != http.StatusBadGateway {
		t.Errorf("got %+v, want 502", got)
	}
	if seen.Load() != 1 || seenSecond.Load() != 1 {
		t.Errorf("the instances had the request %d and %d times, want once each", seen.Load(), seenSecond.Load())
	}
	if s := g.states(t)["a"]; s != api.Ejected {
		t.Errorf("the instance that died is %s", s)
	}
}

// A call of gRPC that an instance may have had is not sent again.
func TestRetryNoCall(t *testing.T) {
	var seen atomic.Int64
	type connection struct{}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_ = r.Context().Value(connection{}).(net.Conn).Close()
	}))
	server.Config.Protocols = protocols
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, conn)
	}
	server.Start()
	t.Cleanup(server.Close)
	_, url := between(t, server.Listener.Addr().String(), instance(t, ok))
	only2 := new(http.Protocols)
	only2.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: only2}}
	t.Cleanup(client.CloseIdleConnections)
	for _, text := range []string{"", "hello"} {
		seen.Store(0)
		response, err := client.Post(url, "application/grpc", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := refusal(t, response); got.Cause.Status() != http.StatusBadGateway || got.Cause != api.CauseBadAnswer || seen.Load() != 1 {
			t.Errorf("with a body of %q: got %+v after %d tries, want 502 after one", text, got, seen.Load())
		}
	}
}

// A client whose body breaks off is told so, and its instance is not blamed: three
// failures of its own eject it, and not fewer.
func TestBrokenUploadIsTheClients(t *testing.T) {
	first := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/break" {
			panic(http.ErrAbortHandler)
		}
		echo(w, r)
	})
	g, url := between(t, first, instance(t, ok))
	for range ejectAfter + 1 {
		path := strings.TrimPrefix(url, "http://"+g.Address())
		conn := raw(t, g, "POST "+path+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusBadRequest {
			t.Errorf("got %s", response.Status)
		}
	}
	for n := range ejectAfter {
		if s := g.states(t)["a"]; s != api.Ready {
			t.Errorf("after %d failures of its own the instance is %s", n, s)
		}
		send(t, http.MethodPost, url+"break", "", nil).Body.Close()
	}
	if s := g.states(t)["a"]; s != api.Ejected {
		t.Errorf("after %d failures of its own the instance is %s", ejectAfter, s)
	}
}
