package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

func TestForwardRewrites(t *testing.T) {
	type seen struct {
		Host, RequestURI string
		Header           http.Header
	}
	instance := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(seen{r.Host, r.RequestURI, r.Header})
	})
	plain := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"shop.example.com:8000"},
		"X-Custom": {"kept"},
	}
	mounted := plain.Clone()
	mounted.Set("X-Forwarded-Prefix", "/apps/shop")
	trusted := http.Header{
		"X-Forwarded-For": {"203.0.113.9, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside.example.com"},
		"X-Forwarded-Prefix": {"/outer/apps/shop"}, "Forwarded": {"for=203.0.113.9, for=127.0.0.1"},
		"X-Custom": {"kept"},
	}
	for name, test := range map[string]struct {
		trust             bool
		prefix, asked, to string
		header            http.Header
	}{
		"at the root":          {false, "", "/a%2Fb/c?x=1;y=%zz&z", "/a%2Fb/c?x=1;y=%zz&z", plain},
		"below a prefix":       {false, "/apps/shop", "/apps/shop/a%2Fb//c/", "/a%2Fb//c/", mounted},
		"from a trusted proxy": {true, "/apps/shop", "/apps/shop", "/", trusted},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, proxy.Config{TrustForwarded: test.trust}, instance)
			f.instances[0].Prefix = test.prefix
			r, err := http.NewRequest(http.MethodGet, f.url+test.asked, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "shop.example.com:8000"
			r.Header = http.Header{
				"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside.example.com"},
				"X-Forwarded-Prefix": {"/outer"}, "Forwarded": {"for=203.0.113.9"},
				"X-Custom": {"kept"}, "Connection": {"X-Hop"}, "X-Hop": {"dropped"}, "User-Agent": nil,
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var got seen
			if err := json.Unmarshal([]byte(body(t, response)), &got); err != nil {
				t.Fatal(err)
			}
			got.Header.Del("Accept-Encoding")
			if diff := cmp.Diff(seen{r.Host, test.to, test.header}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The prefix is taken off the path, and the rest stays escaped as it was.
func TestForwardTrimsThePrefix(t *testing.T) {
	for _, test := range []struct{ asked, prefix, want string }{
		{"/a/b", "", "/a/b"},
		{"/a%2Fb", "", "/a%2Fb"},
		{"/api", "/api", "/"},
		{"/api/", "/api", "/"},
		{"/api//a", "/api", "//a"},
		{"/api/a/b", "/api", "/a/b"},
		{"/api/a%2Fb", "/api", "/a%2Fb"},
		{"/%61pi/a%2Fb", "/api", "/a%2Fb"},
		{"/%61pi", "/api", "/"},
		{"/caf%C3%A9/a%2Fb", "/café", "/a%2Fb"},
	} {
		out := sent(proxy.Config{}, httptest.NewRequest(http.MethodGet, test.asked, nil), proxy.Attempt{Address: "instance:80", Prefix: test.prefix})
		if got, want := out.URL.String(), "http://instance:80"+test.want; got != want {
			t.Errorf("%q off %q: got %q, want %q", test.prefix, test.asked, got, want)
		}
	}
}

// What is left of a path is its end, in the escaped form as well.
func FuzzTrimPrefix(f *testing.F) {
	f.Add("/api/x", 4)
	f.Add("/%61pi/a%2Fb", 4)
	f.Add("/%2e%2e/x", 0)
	f.Fuzz(func(t *testing.T, target string, n int) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") || n < 0 || n > len(u.Path) || n < len(u.Path) && u.Path[n] != '/' {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		prefix := u.Path[:n]
		out := sent(proxy.Config{}, r, proxy.Attempt{Address: "instance:80", Prefix: prefix})
		if back := prefix + out.URL.Path; back != u.Path && back != u.Path+"/" {
			t.Fatalf("%q and %q are not %q", prefix, out.URL.Path, u.Path)
		}
		if plain, err := url.PathUnescape(out.URL.EscapedPath()); err != nil || plain != out.URL.Path {
			t.Fatalf("%q is not %q escaped (%v)", out.URL.EscapedPath(), out.URL.Path, err)
		}
	})
}

func TestForwardStreamsBodies(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, echo))
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	for name, reader := range map[string]io.Reader{
		"with a length": bytes.NewReader(content),
		"chunked":       io.MultiReader(bytes.NewReader(content)),
	} {
		response, err := http.Post(f.url, "application/octet-stream", reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != string(content) {
			t.Errorf("%s: %d bytes came back that are not the %d sent", name, len(got), len(content))
		}
	}
}

// Each event reaches the client before the next one is made, and the deadline is not
// for event streams.
func TestForwardServerSentEvents(t *testing.T) {
	next := make(chan struct{})
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for i := range 4 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}))
	f.timeout = 50 * time.Millisecond
	response := send(t, http.MethodGet, f.url, "", nil)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 4 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d: got %q (%v)", i, lines.Text(), lines.Err())
		}
		lines.Scan()
		time.Sleep(30 * time.Millisecond)
		next <- struct{}{}
	}
	if got := f.next(t); got.Phase != api.PhaseAnswered || got.Aborted {
		t.Errorf("got %+v, want an answer that is complete", got)
	}
}

// The deadline is not for upgraded connections either.
func TestForwardWebSocket(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	}))
	f.timeout = 50 * time.Millisecond
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(f.url, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for i := range 4 {
		want := fmt.Sprintf("message %d", i)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
		time.Sleep(30 * time.Millisecond)
	}
	if n := len(f.attempts); n != 0 {
		t.Errorf("%d attempts have ended while the WebSocket was open", n)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if got := f.next(t); got.Phase != api.PhaseAnswered || got.Status != http.StatusSwitchingProtocols || got.Cause != "" {
		t.Errorf("got %+v, want an answer with status 101", got)
	}
}

// HTTP/2 without TLS comes in, and goes out for gRPC, trailers included.
func TestForwardHTTP2(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-Protocol", r.Proto)
		w.Header().Set("X-Te", r.Header.Get("Te"))
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	}))
	client := http2(t)
	for kind, proto := range map[string]string{"application/grpc": "HTTP/2.0", "text/plain": "HTTP/1.1"} {
		r, err := http.NewRequest(http.MethodPost, f.url, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Te", "trailers")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != "hello" || response.Proto != "HTTP/2.0" || response.Header.Get("X-Protocol") != proto ||
			response.Header.Get("X-Te") != "trailers" || response.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%s: got %q over %s, at the instance %s, headers %v, trailers %v", kind, got, response.Proto, response.Header.Get("X-Protocol"), response.Header, response.Trailer)
		}
	}
}

// A client that leaves ends its request at the instance.
func TestForwardEndsWithTheClient(t *testing.T) {
	began, left := make(chan struct{}), make(chan struct{})
	f := newFront(t, proxy.Config{}, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(left)
	}))
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-began; leave() }()
	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
		t.Fatal("the request was answered")
	}
	<-left
	if got := f.next(t); got.Cause != api.CauseClientLeft || got.Failed() || got.reason != "" {
		t.Errorf("got %+v, want that the client has left", got)
	}
}

// A client that leaves in the middle of an answer ends it at the instance.
func TestForwardEndsWithinTheAnswer(t *testing.T) {
	left := make(chan struct{})
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}))
	response := send(t, http.MethodGet, f.url, "", nil)
	if _, err := io.CopyN(io.Discard, response.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-left
	if got := f.next(t); got.Phase != api.PhaseAnswered || !got.Aborted || got.Cause != "" || got.Failed() {
		t.Errorf("got %+v, want an answer that broke off", got)
	}
}

// The head of an answer is reported before the client can see it.
func TestForwardReportsTheHead(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	var status int
	var headed time.Time
	f.instances[0].OnHead = func(s int, at time.Time) { status, headed = s, at }
	send(t, http.MethodGet, f.url, "", nil).Body.Close()
	got := f.next(t)
	if status != http.StatusTeapot || got.Status != status || !got.Headed.Equal(headed) || got.Headed.Before(got.Sent) {
		t.Errorf("status %d came at %s, and the result is %+v", status, headed, got)
	}
}

// A panic that is not ReverseProxy's way to break off goes on.
func TestForwardKeepsPanics(t *testing.T) {
	p := proxy.New(proxy.Config{Transport: roundTrip(func(*http.Request) (*http.Response, error) { panic("a fault") })})
	defer func() {
		if got := recover(); got != "a fault" {
			t.Errorf("recovered %v", got)
		}
	}()
	p.Forward(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), proxy.Attempt{})
}

// What net/http writes about single connections is for debugging.
func TestErrorLog(t *testing.T) {
	var text strings.Builder
	p := proxy.New(proxy.Config{Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	p.ErrorLog().Print("a handshake failed")
	if got := text.String(); !strings.Contains(got, `level=DEBUG msg="a handshake failed"`) {
		t.Errorf("logged %q", got)
	}
}
