package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// dialTimeout is short: another instance may be there.
	dialTimeout = 2 * time.Second
	// idlePerInstance are kept open to each instance, for as many requests at
	// a time need as many connections.
	idlePerInstance = 1024
	// idleTimeout is below the 5 seconds after which Node.js and uvicorn close a
	// connection that is idle: a request that meets that cannot always be sent
	// again.
	idleTimeout = 4 * time.Second
)

// newProxy returns a proxy. Answers without a length and event streams are flushed
// as they come, which ReverseProxy does of itself; the others go in whole buffers.
func newProxy(to upstream, logger *slog.Logger) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:  to,
		BufferPool: new(buffers),
		ErrorLog:   log.New(logWriter{logger}, "", 0),
	}
}

// upstream speaks HTTP/1.1 to instances, and HTTP/2 for gRPC, which has no other.
type upstream struct{ plain, grpc *http.Transport }

func newUpstream() upstream {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	transport := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:           dialer.DialContext,
			MaxIdleConnsPerHost:   idlePerInstance,
			IdleConnTimeout:       idleTimeout,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true,
			Protocols:             protocols,
		}
	}
	plain, grpc := new(http.Protocols), new(http.Protocols)
	plain.SetHTTP1(true)
	grpc.SetUnencryptedHTTP2(true)
	return upstream{plain: transport(plain), grpc: transport(grpc)}
}

func (u upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		return u.grpc.RoundTrip(r)
	}
	return u.plain.RoundTrip(r)
}

func (u upstream) closeIdle() {
	u.plain.CloseIdleConnections()
	u.grpc.CloseIdleConnections()
}

const bufferSize = 32 << 10

// buffers is a pool of arrays, since a slice in a sync.Pool costs an allocation.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	buffer, ok := b.pool.Get().(*[bufferSize]byte)
	if !ok {
		buffer = new([bufferSize]byte)
	}
	return buffer[:]
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }

// errRequestTimeout is why a request is cancelled that takes too long.
var errRequestTimeout = errors.New("request_timeout is over")

// forward passes the request to its instance and the answer back.
//
// request_timeout is for all of it, to the end of the answer; connections that
// were upgraded and event streams are open for as long as they like.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, c *call) (err error) {
	first := c.sent.IsZero()
	c.sent = g.now()
	if first {
		c.upload = newUpload(r)
		c.deadline = c.sent.Add(c.policy.RequestTimeout)
	}
	try := newAttempt()
	c.failure = nil
	ctx := httptrace.WithClientTrace(context.WithValue(r.Context(), callKey{}, c), &try.trace)
	if g.config.Tracer != nil {
		var span trace.Span
		ctx, span = g.traceAttempt(ctx, c)
		defer func() { describe(span, c, err); span.End() }()
	}
	if c.policy.RequestTimeout > 0 {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		c.timeout = time.AfterFunc(c.deadline.Sub(c.sent), func() { cancel(errRequestTimeout) })
		defer c.timeout.Stop()
	}
	r = r.WithContext(ctx)
	if c.upload != nil {
		r.Body = c.upload.reader()
		// An app may answer before it has read all. HTTP/2 needs no leave.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	g.proxy.ServeHTTP(w, r)
	failure := c.failure
	if failure == nil {
		return nil
	}
	switch cause := context.Cause(r.Context()); {
	case errors.Is(cause, errRequestTimeout):
		return &api.Refusal{Cause: api.CauseRequestTimeout, Message: fmt.Sprintf("no answer within %s", c.policy.RequestTimeout)}
	case cause != nil:
		return clientLeft
	case c.upload.failed() != nil:
		return &api.Refusal{Cause: api.CauseBadRequest, Message: "the body of the request cannot be read: " + c.upload.failed().Error()}
	case !try.sent.Load():
		return notSent{failure}
	case try.answered.Load():
		return &api.Refusal{Cause: api.CauseBadAnswer, Message: "the instance's answer cannot be read: " + failure.Error()}
	default:
		return unanswered{failure}
	}
}

// callKey is where the context of a request that is forwarded has its call.
type callKey struct{}

func callOf(r *http.Request) *call {
	c, _ := r.Context().Value(callKey{}).(*call)
	return c
}

// rewrite addresses a request to the instance of its call: the prefix is taken
// off the path.
func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	c, out := callOf(pr.In), pr.Out
	out.URL.Scheme, out.URL.Host = "http", c.place.address
	out.URL.Path, out.URL.RawPath = unmounted(pr.In.URL.Path, pr.In.URL.RawPath, c.prefix)
	// The gateway reads no query, so that it cannot read one differently.
	out.URL.RawQuery = pr.In.URL.RawQuery
	// The values are there when the body has been read.
	out.Trailer = pr.In.Trailer
	g.forwarded(pr, c.prefix)
	if g.config.Tracer != nil {
		traceContext.Inject(pr.In.Context(), propagation.HeaderCarrier(out.Header))
	}
}

// unmounted takes a prefix off a path, and off its escaped form if it has one.
func unmounted(path, escaped, prefix string) (string, string) {
	path = path[len(prefix):]
	if escaped != "" {
		escaped = cutEscaped(escaped, len(prefix))
	}
	if path == "" {
		return "/", ""
	}
	return path, escaped
}

// answered notes the head of an answer.
func (g *Gateway) answered(response *http.Response) error {
	c := callOf(response.Request)
	c.status, c.headed = response.StatusCode, g.now()
	if c.timeout != nil && endless(response) {
		c.timeout.Stop()
	}
	if c.waited > 0 {
		c.app.firstByte(c.headed)
	}
	return nil
}

// failed notes why there is no answer.
func failed(_ http.ResponseWriter, r *http.Request, err error) { callOf(r).failure = err }

// endless tells answers that have no end of their own.
func endless(response *http.Response) bool {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind := response.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "text/event-stream") {
		return false
	}
	kind, _, _ = mime.ParseMediaType(kind)
	return kind == "text/event-stream"
}

// logWriter passes on what net/http writes about single connections.
type logWriter struct{ log *slog.Logger }

func (l logWriter) Write(line []byte) (int, error) {
	l.log.Debug(strings.TrimSpace(string(line)))
	return len(line), nil
}
