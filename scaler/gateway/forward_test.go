package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestForwardRewrites(t *testing.T) {
	type seen struct {
		Host, RequestURI string
		Header           http.Header
	}
	echoRequest := func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(seen{r.Host, r.RequestURI, r.Header})
	}
	ask := func(t *testing.T, g *served, host, target string) seen {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+g.Address()+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header = http.Header{
			"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside.example.com"},
			"X-Forwarded-Prefix": {"/outer"}, "Forwarded": {"for=203.0.113.9"},
			"X-Custom": {"kept"}, "Connection": {"X-Hop"}, "X-Hop": {"dropped"}, "User-Agent": nil,
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var s seen
		if err := json.Unmarshal([]byte(body(t, response)), &s); err != nil {
			t.Fatal(err)
		}
		s.Header.Del("Accept-Encoding")
		return s
	}
	document := scaler.Document{"hosts": "shop.example.com"}
	t.Run("from anybody", func(t *testing.T) {
		g, _ := fronting(t, document, echoRequest)
		got := ask(t, g, "shop.example.com:8000", "/a%2Fb/c?x=1;y=%zz&z")
		want := seen{"shop.example.com:8000", "/a%2Fb/c?x=1;y=%zz&z", http.Header{
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"shop.example.com:8000"},
			"X-Custom": {"kept"},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by host (-want +got):\n%s", diff)
		}
		got = ask(t, g, "gateway", "/apps/"+webName+"/a%2Fb//c/")
		want.Host, want.RequestURI = "gateway", "/a%2Fb//c/"
		want.Header["X-Forwarded-Host"] = []string{"gateway"}
		want.Header["X-Forwarded-Prefix"] = []string{"/apps/" + webName}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by path (-want +got):\n%s", diff)
		}
	})
	t.Run("from a trusted proxy", func(t *testing.T) {
		g, _ := fronting(t, document, echoRequest, func(c *gateway.Config) { c.TrustForwarded = true })
		got := ask(t, g, "gateway", "/apps/"+webName)
		want := seen{"gateway", "/", http.Header{
			"X-Forwarded-For": {"203.0.113.9, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outside.example.com"},
			"X-Forwarded-Prefix": {"/outer/apps/" + webName}, "Forwarded": {"for=203.0.113.9, for=127.0.0.1"},
			"X-Custom": {"kept"},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestForwardStreamsBodies(t *testing.T) {
	_, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	for name, reader := range map[string]io.Reader{
		"with a length": bytes.NewReader(content),
		"chunked":       io.MultiReader(bytes.NewReader(content)),
	} {
		response, err := http.Post(url+"/", "application/octet-stream", reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != string(content) {
			t.Errorf("%s: %d bytes came back that are not the %d sent", name, len(got), len(content))
		}
	}
}

// Each event reaches the client before the next one is made.
func TestForwardServerSentEvents(t *testing.T) {
	next := make(chan struct{})
	_, url := fronting(t, scaler.Document{"request_timeout": "50ms"}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for i := range 4 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	response := get(t, url+"/events")
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 4 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d: got %q (%v)", i, lines.Text(), lines.Err())
		}
		lines.Scan()
		// Longer in all than request_timeout, which is not for event streams.
		time.Sleep(30 * time.Millisecond)
		next <- struct{}{}
	}
}

func TestForwardWebSocket(t *testing.T) {
	g, url := fronting(t, scaler.Document{"request_timeout": "50ms"}, echoSocket)
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/socket", nil)
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
		// Longer in all than request_timeout, which is not for upgraded connections.
		time.Sleep(30 * time.Millisecond)
	}
	if s := g.status(t, webName); s.InFlight != 1 {
		t.Errorf("an open WebSocket: %d requests in flight, want 1", s.InFlight)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	eventually(t, "the closed WebSocket is no longer in flight", func() bool { return g.status(t, webName).InFlight == 0 })
}

// HTTP/2 without TLS comes in, and goes out for gRPC, trailers included.
func TestForwardHTTP2(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-Protocol", r.Proto)
		w.Header().Set("X-Te", r.Header.Get("Te"))
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	}))
	server.Config.Protocols = protocols
	server.Start()
	t.Cleanup(server.Close)
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, nil)}, allocation(webName, "a", 0, server.Listener.Addr().String()))
	only2 := new(http.Protocols)
	only2.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: only2}}
	t.Cleanup(client.CloseIdleConnections)
	for kind, proto := range map[string]string{"application/grpc": "HTTP/2.0", "text/plain": "HTTP/1.1"} {
		r, err := http.NewRequest(http.MethodPost, "http://"+g.Address()+"/apps/"+webName+"/", strings.NewReader("hello"))
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
			t.Errorf("%s: got %q over %s, at the instance %s, headers %v, trailers %v", kind, got, response.Proto,
				response.Header.Get("X-Protocol"), response.Header, response.Trailer)
		}
	}
}

func TestForwardTimesOut(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		left := make(chan struct{})
		_, url := fronting(t, scaler.Document{"request_timeout": "50ms"}, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(left)
		})
		got := refusal(t, get(t, url+"/"))
		if got.Cause.Status() != http.StatusGatewayTimeout || got.Cause != api.CauseRequestTimeout || got.App != webID {
			t.Errorf("got %+v, want 504", got)
		}
		<-left
	})
	t.Run("within the answer", func(t *testing.T) {
		_, url := fronting(t, scaler.Document{"request_timeout": "50ms"}, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "part")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		response := get(t, url+"/")
		defer response.Body.Close()
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("an answer that was cut looks whole")
		}
	})
}

// A client that leaves ends its request at the instance.
func TestForwardEndsWithTheClient(t *testing.T) {
	began, left := make(chan struct{}), make(chan struct{})
	g, url := fronting(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(left)
	})
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-began; leave() }()
	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
		t.Fatal("the request was answered")
	}
	<-left
	eventually(t, "nothing is in flight", func() bool { return g.status(t, webName).InFlight == 0 })
}

// A request, with its body, that one instance does not accept is served by
// another.
func TestForwardTriesAnotherInstance(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t)
	g.nomad.report([]nomad.App{declared(t, webName, scaler.Document{"service_selection_mode": "first"})})
	alive := instance(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	g.nomad.instances.Replace([]nomad.Instance{allocation(webName, "dead", 0, l.Addr().String()), allocation(webName, "alive", 1, alive)})
	g.wantStates(t, map[string]api.State{"dead": api.Ready, "alive": api.Ready})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post("http://"+g.Address()+"/apps/"+webName+"/", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, response); got != "hello" || response.StatusCode != http.StatusOK {
		t.Errorf("got %s %q, want the body back", response.Status, got)
	}
	g.wantStates(t, map[string]api.State{"dead": api.Ejected, "alive": api.Ready})
}
