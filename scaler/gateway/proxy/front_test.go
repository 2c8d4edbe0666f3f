package proxy_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// testTimeout is how long a test waits for something that has to happen.
const testTimeout = 60 * time.Second

// front is a server that sends requests to instances: the first attempt goes to the
// first instance, the second one to the second, and so on in turns.
type front struct {
	proxy     *proxy.Proxy
	instances []proxy.Attempt
	timeout   time.Duration

	url string
	// attempts receives the result of each attempt.
	attempts chan attempt
}

// attempt is the result of an attempt, and why another one follows; "" when none does.
type attempt struct {
	api.AttemptResult
	reason string
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := proxy.NewBody(r)
	var retries proxy.Retries
	var deadline time.Time
	if f.timeout > 0 {
		deadline = time.Now().Add(f.timeout)
	}
	for {
		a := f.instances[retries.Tried()%len(f.instances)]
		a.Body, a.Deadline, a.Timeout, a.Resend = body, deadline, f.timeout, retries.Tried()
		result := f.proxy.Forward(w, r, a)
		again, reason := retries.Next(result, r, body)
		f.attempts <- attempt{result, reason}
		switch refusal := result.Refusal(); {
		case again:
			continue
		case result.Aborted:
			panic(http.ErrAbortHandler)
		case refusal != nil:
			w.WriteHeader(refusal.Cause.Status())
			_ = json.NewEncoder(w).Encode(refusal)
		}
		return
	}
}

// newFront returns a front that serves until the test ends. The instances are named a,
// b, and so on.
func newFront(t testing.TB, config proxy.Config, addresses ...string) *front {
	t.Helper()
	f := &front{proxy: proxy.New(config), attempts: make(chan attempt, 1000)}
	for i, address := range addresses {
		f.instances = append(f.instances, proxy.Attempt{Instance: string(rune('a' + i)), Address: address})
	}
	f.url = "http://" + serve(t, f.ServeHTTP)
	t.Cleanup(f.proxy.CloseIdle)
	return f
}

// next is the result of the next attempt that ends.
func (f *front) next(t testing.TB) attempt {
	t.Helper()
	select {
	case a := <-f.attempts:
		return a
	case <-time.After(testTimeout):
		t.Fatal("no attempt has ended")
		return attempt{}
	}
}

// serve serves HTTP/1.1, and HTTP/2 without TLS, until the test ends.
func serve(t testing.TB, h http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// closed is an address that accepts no connections.
func closed(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// body reads an answer to its end.
func body(t testing.TB, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return string(b)
}

// send sends a request with a body of a known length, or without one if it is "". The
// header Transfer-Encoding: chunked leaves the length out.
func send(t testing.TB, method, url, body string, header http.Header) *http.Response {
	t.Helper()
	// The reader's type would let the client set the length by itself.
	r, err := http.NewRequest(method, url, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(body))
	if body == "" {
		r.Body = nil
	}
	if header.Get("Transfer-Encoding") == "chunked" {
		r.ContentLength = -1
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// wantRefusal checks that an answer is the gateway's own.
func wantRefusal(t testing.TB, response *http.Response, cause api.Cause) {
	t.Helper()
	text := body(t, response)
	var got api.Refusal
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Cause != cause || response.StatusCode != cause.Status() {
		t.Errorf("got %s %q (%v), want that the gateway refuses with %s", response.Status, text, err, cause)
	}
}

// http2 is a client that speaks only HTTP/2, without TLS.
func http2(t testing.TB) *http.Client {
	t.Helper()
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: only}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// roundTrip is a transport that reaches no instance.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// canned answers every request with the same body.
func canned(body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"text/plain"}},
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

// sent is the request that an instance would get for one.
func sent(config proxy.Config, r *http.Request, a proxy.Attempt) (out *http.Request) {
	config.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		out = r
		return canned("")(r)
	})
	proxy.New(config).Forward(httptest.NewRecorder(), r, a)
	return out
}
