// Package proxy sends requests to instances. It makes one attempt at an instance,
// decides whether another one follows, keeps the request's body across attempts,
// writes the forwarding headers, and probes an instance.
package proxy

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Config configures a proxy. Its zero value is valid.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives what net/http writes about single connections; nil discards it.
	Log *slog.Logger
	// TrustForwarded accepts the forwarding headers of requests. It is meant for a
	// gateway that only a trusted proxy can reach.
	TrustForwarded bool
	// Tracer makes a span for each attempt; nil makes none.
	Tracer trace.Tracer
	// Transport reaches the instances; nil means HTTP/1.1, and HTTP/2 for gRPC.
	Transport http.RoundTripper
}

// Proxy sends requests to instances.
type Proxy struct {
	config  Config
	reverse *httputil.ReverseProxy
}

// New returns a proxy. It flushes event streams and answers without a length as they
// come, which is what ReverseProxy does by default, and the others in whole buffers.
func New(config Config) *Proxy {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Transport == nil {
		config.Transport = newTransport()
	}
	p := &Proxy{config: config}
	p.reverse = &httputil.ReverseProxy{
		Transport:      config.Transport,
		BufferPool:     new(buffers),
		ErrorLog:       log.New(logWriter{config.Log}, "", 0),
		Rewrite:        p.rewrite,
		ModifyResponse: noteHead,
		ErrorHandler:   noteFailure,
	}
	return p
}

// Forward makes one attempt: it passes the request to an instance and the answer
// back. Until an answer begins it writes nothing to the client, so that another
// attempt can follow.
//
// The deadline covers all of it, to the end of the answer. It no longer applies once a
// connection is upgraded or an event stream has begun.
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request, a Attempt) (result api.AttemptResult) {
	s := newAttemptState(a, p.config.Now)
	ctx := httptrace.WithClientTrace(context.WithValue(r.Context(), stateKey{}, s), &s.trace)
	if p.config.Tracer != nil {
		var span trace.Span
		ctx, span = startSpan(ctx, p.config.Tracer, a)
		defer func() { endSpan(span, result) }()
	}
	if !a.Deadline.IsZero() {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		s.timer = time.AfterFunc(a.Deadline.Sub(s.result.Sent), func() { cancel(errRequestTimeout) })
		defer s.timer.Stop()
	}
	r = r.WithContext(ctx)
	if a.Body != nil {
		r.Body = a.Body.reader()
		// An app may answer before it has read all. HTTP/2 needs no permission.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	s.result.Aborted = p.serve(w, r)
	s.classify(ctx)
	return s.result
}

// serve reports whether the answer broke off after its head. ReverseProxy panics
// then.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		switch reason := recover(); reason {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(reason)
		}
	}()
	p.reverse.ServeHTTP(w, r)
	return false
}

// rewrite addresses a request to the instance of its attempt.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	s, out := stateOf(pr.In), pr.Out
	out.URL.Scheme, out.URL.Host = "http", s.Address
	out.URL.Path, out.URL.RawPath = trimPrefix(pr.In.URL.Path, pr.In.URL.RawPath, s.Prefix)
	// The gateway reads no query, so that it cannot read one differently.
	out.URL.RawQuery = pr.In.URL.RawQuery
	// The values are there when the body has been read.
	out.Trailer = pr.In.Trailer
	setForwarded(pr, s.Prefix, p.config.TrustForwarded)
	if p.config.Tracer != nil {
		traceContext.Inject(pr.In.Context(), propagation.HeaderCarrier(out.Header))
	}
}

// ClientAddress is the client's address without the port. Of a chain of proxies only
// the nearest one is trusted, and none without TrustForwarded.
func (p *Proxy) ClientAddress(r *http.Request) string {
	return clientAddress(r, p.config.TrustForwarded)
}

// CloseIdle closes the connections to instances that no request uses.
func (p *Proxy) CloseIdle() {
	if t, ok := p.config.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// ErrorLog is for servers of net/http. It writes to the proxy's log, at debug level.
func (p *Proxy) ErrorLog() *log.Logger { return p.reverse.ErrorLog }

// logWriter passes on what net/http writes about single connections.
type logWriter struct{ log *slog.Logger }

func (l logWriter) Write(line []byte) (int, error) {
	l.log.Debug(strings.TrimSpace(string(line)))
	return len(line), nil
}
