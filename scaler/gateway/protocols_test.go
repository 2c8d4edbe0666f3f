package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// gRPC goes through whole: calls, streams both ways at once, metadata, trailers
// and the status of a call that fails.
func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// It answers each message as it comes, and fails in the end if it is told to.
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		asked, _ := metadata.FromIncomingContext(stream.Context())
		stream.SetTrailer(metadata.Pairs("x-trailer", strings.Join(asked["x-asked"], "")))
		for {
			message := new(wrapperspb.StringValue)
			switch err := stream.RecvMsg(message); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case message.Value == "fail":
				return status.Error(codes.FailedPrecondition, "as told")
			}
			if err := stream.SendMsg(wrapperspb.String("re: " + message.Value)); err != nil {
				return err
			}
		}
	}))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"hosts": "grpc.example.com"})}, allocation(webName, "a", 0, l.Addr().String()))
	conn, err := grpc.NewClient("passthrough:///"+g.Address(), grpc.WithAuthority("grpc.example.com"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-asked", "for it")

	t.Run("a call", func(t *testing.T) {
		var got wrapperspb.StringValue
		var trailer metadata.MD
		if err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("hello"), &got, grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if got.Value != "re: hello" || strings.Join(trailer["x-trailer"], "") != "for it" {
			t.Errorf("got %q with trailers %v", got.Value, trailer)
		}
	})
	t.Run("a call that fails", func(t *testing.T) {
		err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("fail"), new(wrapperspb.StringValue))
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "as told" {
			t.Errorf("got %v, want the instance's status", err)
		}
	})
	t.Run("a stream both ways", func(t *testing.T) {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/Chat")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			want := fmt.Sprintf("message %d", i)
			if err := stream.SendMsg(wrapperspb.String(want)); err != nil {
				t.Fatal(err)
			}
			var got wrapperspb.StringValue
			if err := stream.RecvMsg(&got); err != nil || got.Value != "re: "+want {
				t.Fatalf("got %q (%v) for %q", got.Value, err, want)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ended with %v", err)
		}
		if got := strings.Join(stream.Trailer()["x-trailer"], ""); got != "for it" {
			t.Errorf("the stream's trailer is %q", got)
		}
	})
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// A client that asks first sends its body only to an instance that wants it.
func TestExpectContinue(t *testing.T) {
	_, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w, r)
	})
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	t.Cleanup(client.CloseIdleConnections)
	for _, wanted := range []bool{true, false} {
		sent := &counted{Reader: strings.NewReader("hello")}
		r, err := http.NewRequest(http.MethodPost, url+"/", sent)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 5
		r.Header.Set("Expect", "100-continue")
		if wanted {
			r.Header.Set("Authorization", "yes")
		}
		told := false
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { told = true }}))
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := body(t, response)
		if wanted && (response.StatusCode != http.StatusOK || text != "hello" || !told) {
			t.Errorf("accepted: %s %q, told to go on: %t", response.Status, text, told)
		}
		if !wanted && (response.StatusCode != http.StatusUnauthorized || told || sent.read.Load() != 0) {
			t.Errorf("refused: %s, told to go on: %t, %d bytes sent", response.Status, told, sent.read.Load())
		}
	}
}

// zeros is a body of that many bytes which takes no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Bodies of any size take little memory, up and down.
func TestLargeBodiesAreStreamed(t *testing.T) {
	const size = 256 << 20
	_, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
			return
		}
		_, _ = io.Copy(w, zeros(size))
	})
	used := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := used(), uint64(0)
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			most = max(most, used())
			<-tick.C
		}
	}()
	r, err := http.NewRequest(http.MethodPut, url+"/", zeros(size))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := body(t, response), fmt.Sprint(int64(size), nil); got != want {
		t.Errorf("the instance read %s, want %s", got, want)
	}
	response = get(t, url+"/")
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); n != size || err != nil {
		t.Errorf("the client read %d bytes (%v), want %d", n, err, size)
	}
	stop()
	<-watched
	t.Logf("the heap grew by %d KiB", (int64(most)-int64(before))>>10)
	if most > before+32<<20 {
		t.Errorf("the heap grew by %d MiB for %d", (most-before)>>20, size>>20)
	}
}

// A client that leaves in the middle of an answer ends it at the instance.
func TestClientLeavesDuringTheAnswer(t *testing.T) {
	left := make(chan struct{})
	g, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	response := get(t, url+"/")
	if _, err := io.CopyN(io.Discard, response.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-left
	eventually(t, "nothing is in flight", func() bool { return g.status(t, webName).InFlight == 0 })
}

// Answers of every shape arrive as they were sent.
func TestAnswersAreKept(t *testing.T) {
	_, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/hints":
			h.Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			h.Del("Link")
			fmt.Fprint(w, "page")
		case "/head":
			h.Set("Content-Length", "1234")
		case "/unchanged":
			h.Set("Etag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/trailers":
			_, _ = io.Copy(io.Discard, r.Body)
			h.Set("Trailer", "X-Sum")
			fmt.Fprint(w, "body")
			h.Set("X-Sum", r.Trailer.Get("X-Sum"))
			h.Set(http.TrailerPrefix+"X-Unannounced", "too")
		case "/hop":
			h.Set("Connection", "X-Internal")
			h.Set("X-Internal", "secret")
			h.Set("Keep-Alive", "timeout=5")
			h.Set("X-Kept", "yes")
		default:
			fmt.Fprint(w, len(r.RequestURI))
		}
	})
	t.Run("early hints", func(t *testing.T) {
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			return nil
		}})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/hints", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != "page" || response.Header.Get("Link") != "" || len(hints) != 1 ||
			hints[0] != "103</style.css>; rel=preload" {
			t.Errorf("got hints %q and then %q with %v", hints, got, response.Header)
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		response, err := http.Head(url + "/head")
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != "" || response.ContentLength != 1234 {
			t.Errorf("got %q and a length of %d", got, response.ContentLength)
		}
	})
	t.Run("no body", func(t *testing.T) {
		for path, want := range map[string]int{"/unchanged": http.StatusNotModified, "/none": http.StatusNoContent} {
			response := get(t, url+path)
			if got := body(t, response); got != "" || response.StatusCode != want || len(response.TransferEncoding) > 0 {
				t.Errorf("%s: got %s %q in %v", path, response.Status, got, response.TransferEncoding)
			}
		}
	})
	t.Run("trailers both ways", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodPost, url+"/trailers", io.MultiReader(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"X-Sum": {"42"}}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, response); got != "body" || response.Trailer.Get("X-Sum") != "42" || response.Trailer.Get("X-Unannounced") != "too" {
			t.Errorf("got %q with trailers %v", got, response.Trailer)
		}
	})
	t.Run("headers of one connection", func(t *testing.T) {
		response := get(t, url+"/hop")
		_ = body(t, response)
		for _, name := range []string{"Connection", "X-Internal", "Keep-Alive"} {
			if got := response.Header.Values(name); got != nil {
				t.Errorf("%s is passed on: %q", name, got)
			}
		}
		if response.Header.Get("X-Kept") != "yes" {
			t.Error("X-Kept is lost")
		}
	})
	t.Run("long addresses", func(t *testing.T) {
		path := "/" + strings.Repeat("x", 32<<10)
		if got := body(t, get(t, url+path)); got != fmt.Sprint(len(path)) {
			t.Errorf("the instance saw %s bytes, want %d", got, len(path))
		}
		response := get(t, url+"/"+strings.Repeat("x", 128<<10))
		if _ = body(t, response); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("too long an address: %s, want 431", response.Status)
		}
	})
}

// HTTP/1.0 clients get answers without chunks, on connections that end with them.
func TestHTTP10(t *testing.T) {
	g, url := fronting(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "in ")
		_ = http.NewResponseController(w).Flush()
		fmt.Fprint(w, "parts")
	})
	conn := raw(t, g, "GET "+strings.TrimPrefix(url, "http://"+g.Address())+"/ HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	head, text, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if string(text) != "in parts" || !bytes.HasPrefix(head, []byte("HTTP/1.0 200 OK")) || bytes.Contains(head, []byte("chunked")) {
		t.Errorf("got %q", answer)
	}
}

// A connection can become anything that client and instance agree on.
func TestUpgradeToAnything(t *testing.T) {
	g, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "shouting" {
			http.Error(w, "upgrade to shouting", http.StatusUpgradeRequired)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "shouting")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			line, err := both.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(conn, strings.ToUpper(line))
		}
	})
	path := strings.TrimPrefix(url, "http://"+g.Address())
	conn := raw(t, g, "GET "+path+"/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: shouting\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Upgrade") != "shouting" {
		t.Fatalf("got %s with %v", response.Status, response.Header)
	}
	for _, word := range []string{"one\n", "two\n"} {
		fmt.Fprint(conn, word)
		if got, err := reader.ReadString('\n'); err != nil || got != strings.ToUpper(word) {
			t.Errorf("got %q (%v) for %q", got, err, word)
		}
	}
}
