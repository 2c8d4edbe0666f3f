package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// breakingInstance answers each request with a text, and then breaks the connection
// off. It counts the requests.
func breakingInstance(t testing.TB, answer string) (address string, seen *atomic.Int64) {
	t.Helper()
	seen = new(atomic.Int64)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(conn, answer)
			_ = conn.Close()
		}
	}), seen
}

func echo(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	_, _ = io.Copy(w, r.Body)
}

// A request, with its body, that one instance does not accept is served by another.
func TestRetryWhatWasNotSent(t *testing.T) {
	f := newFront(t, proxy.Config{}, closed(t), serve(t, echo))
	response := send(t, http.MethodPost, f.url, "hello", nil)
	if got := body(t, response); got != "hello" || response.StatusCode != http.StatusOK {
		t.Errorf("got %s %q, want the body back", response.Status, got)
	}
	if first := f.next(t); !first.Refused || first.reason != "not_sent" {
		t.Errorf("the first attempt: %+v", first)
	}
	if second := f.next(t); second.Phase != api.PhaseAnswered || second.reason != "" {
		t.Errorf("the second attempt: %+v", second)
	}
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
		{name: "PUT with the largest body that is kept", method: http.MethodPut, body: large[1:], again: true},
		{name: "PUT with a large body", method: http.MethodPut, body: large},
		{name: "PUT with a body of any length", method: http.MethodPut, body: "hello", header: http.Header{"Transfer-Encoding": {"chunked"}}},
		{name: "POST", method: http.MethodPost, body: "hello"},
		{name: "POST without a body", method: http.MethodPost},
		{name: "POST with a key", method: http.MethodPost, body: "hello", header: key, again: true},
		{name: "POST with another key", method: http.MethodPost, header: http.Header{"X-Idempotency-Key": {"1"}}, again: true},
		{name: "PATCH", method: http.MethodPatch, body: "hello"},
		{name: "GET that is being answered", method: http.MethodGet, begun: "HTTP/1.1 2"},
		{name: "GET that is told to wait", method: http.MethodGet, begun: "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, seen := breakingInstance(t, test.begun)
			f := newFront(t, proxy.Config{}, first, serve(t, echo))
			response := send(t, test.method, f.url, test.body, test.header)
			reason := ""
			if test.again {
				reason = "idempotent"
				if got := body(t, response); response.StatusCode != http.StatusOK || got != test.body {
					t.Errorf("got %s %q, want the other instance's answer", response.Status, got)
				}
			} else {
				wantRefusal(t, response, api.CauseBadAnswer)
			}
			if got := f.next(t); got.reason != reason || !got.Failed() {
				t.Errorf("the first attempt: %+v, want that it is sent again because it is %q", got, reason)
			}
			if seen.Load() != 1 {
				t.Errorf("the instance had the request %d times", seen.Load())
			}
		})
	}
}

// A request that breaks every instance that has it is sent twice, not to all.
func TestRetryEndsAfterOneReplay(t *testing.T) {
	first, seenFirst := breakingInstance(t, "")
	second, seenSecond := breakingInstance(t, "")
	f := newFront(t, proxy.Config{}, first, second)
	wantRefusal(t, send(t, http.MethodGet, f.url, "", nil), api.CauseBadAnswer)
	if seenFirst.Load() != 1 || seenSecond.Load() != 1 {
		t.Errorf("the instances had the request %d and %d times, want once each", seenFirst.Load(), seenSecond.Load())
	}
}

// A request that no instance accepts is sent five times, and one that an instance may
// have had counts among them.
func TestRetriesEnd(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	notSent := api.AttemptResult{Phase: api.PhaseNotSent, Cause: api.CauseUnreachable, Err: errors.New("refused")}
	broke := api.AttemptResult{Phase: api.PhaseSent, Cause: api.CauseBadAnswer, Err: errors.New("EOF")}
	for name, results := range map[string][]api.AttemptResult{
		"not sent":          {notSent, notSent, notSent, notSent, notSent},
		"not sent and sent": {notSent, broke, notSent, notSent, notSent},
		"sent last":         {notSent, notSent, notSent, notSent, broke},
	} {
		var retries proxy.Retries
		for i, result := range results {
			if retries.Tried() != i {
				t.Errorf("%s: %d attempts before attempt %d", name, retries.Tried(), i+1)
			}
			want := ""
			switch {
			case i == 4:
			case result.Phase == api.PhaseSent:
				want = "idempotent"
			default:
				want = "not_sent"
			}
			if again, reason := retries.Next(result, r, nil); again != (want != "") || reason != want {
				t.Errorf("%s, attempt %d: got %t (%s), want %q", name, i+1, again, reason, want)
			}
		}
	}
}

// Only failures of the instance, before its answer began, lead to another attempt.
func TestRetryOnlyFailuresOfInstances(t *testing.T) {
	for _, result := range []api.AttemptResult{
		{Phase: api.PhaseAnswered},
		{Phase: api.PhaseAnswered, Aborted: true},
		{Phase: api.PhaseAnswered, Cause: api.CauseBadAnswer},
		{Phase: api.PhaseBroken, Cause: api.CauseBadAnswer},
		{Phase: api.PhaseNotSent, Cause: api.CauseRequestTimeout},
		{Phase: api.PhaseNotSent, Cause: api.CauseClientLeft},
		{Phase: api.PhaseNotSent, Cause: api.CauseBadRequest},
		{Phase: api.PhaseSent, Cause: api.CauseRequestTimeout},
		{Phase: api.PhaseSent, Cause: api.CauseClientLeft},
		{Phase: api.PhaseSent, Cause: api.CauseBadRequest},
	} {
		var retries proxy.Retries
		if again, reason := retries.Next(result, httptest.NewRequest(http.MethodGet, "/", nil), nil); again || reason != "" {
			t.Errorf("%+v is sent again: %s", result, reason)
		}
	}
}

// A connection that an instance has closed while it was idle costs no request, even
// one that cannot be sent twice; and an instance that dies with the request on a
// connection that was used before is known to have had it.
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
	second, seenSecond := breakingInstance(t, "")
	f := newFront(t, proxy.Config{}, l.Addr().String(), second)
	response := send(t, http.MethodGet, f.url, "", nil)
	if response.Body.Close(); response.StatusCode != http.StatusNoContent {
		t.Fatalf("got %s", response.Status)
	}
	f.next(t)
	// The transport finds the used connection broken and dials in vain.
	wantRefusal(t, send(t, http.MethodGet, f.url+"/die", "", nil), api.CauseBadAnswer)
	if seen.Load() != 1 || seenSecond.Load() != 1 {
		t.Errorf("the instances had the request %d and %d times, want once each", seen.Load(), seenSecond.Load())
	}
	if got := f.next(t); got.Phase != api.PhaseSent || !got.Refused || got.reason != "idempotent" {
		t.Errorf("the attempt at the instance that died: %+v", got)
	}
}

// A call of gRPC that an instance may have had is not sent again.
func TestRetryNoCall(t *testing.T) {
	var seen atomic.Int64
	type connection struct{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_ = r.Context().Value(connection{}).(net.Conn).Close()
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, conn)
	}
	server.Start()
	t.Cleanup(server.Close)
	f := newFront(t, proxy.Config{}, server.Listener.Addr().String(), serve(t, ok))
	client := http2(t)
	for _, text := range []string{"", "hello"} {
		seen.Store(0)
		response, err := client.Post(f.url, "application/grpc", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, response, api.CauseBadAnswer)
		if seen.Load() != 1 {
			t.Errorf("with a body of %q: %d tries, want one", text, seen.Load())
		}
	}
}

// A request without a body has none to keep.
func TestNewBody(t *testing.T) {
	for name, want := range map[string]bool{"": false, "hello": true} {
		if got := proxy.NewBody(httptest.NewRequest(http.MethodPut, "/", strings.NewReader(name))); (got != nil) != want {
			t.Errorf("a body of %q: got %v", name, got)
		}
	}
	if got := proxy.NewBody(httptest.NewRequest(http.MethodGet, "/", nil)); got != nil {
		t.Errorf("without a body: got %v", got)
	}
}
