package proxy_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// recording is a tracer whose recorder keeps the spans that have ended.
func recording(c *proxy.Config) *tracetest.SpanRecorder {
	recorder := tracetest.NewSpanRecorder()
	c.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	return recorder
}

func attributes(span sdktrace.ReadOnlySpan) map[attribute.Key]any {
	all := make(map[attribute.Key]any)
	for _, a := range span.Attributes() {
		all[a.Key] = a.Value.AsInterface()
	}
	return all
}

// Each attempt is a span within the trace of the request, and the instance continues
// the trace from that of its attempt.
func TestTraces(t *testing.T) {
	var config proxy.Config
	recorder := recording(&config)
	var seen http.Header
	broken := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	answers := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	f := newFront(t, config, broken, answers)

	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = http.Header{"Traceparent": {parent}, "Tracestate": {"a=1"}}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r.WithContext(propagation.TraceContext{}.Extract(t.Context(), propagation.HeaderCarrier(r.Header))))
	if w.Code != http.StatusOK || len(recorder.Ended()) != 2 {
		t.Fatalf("got %d, and %d spans", w.Code, len(recorder.Ended()))
	}
	first, second := recorder.Ended()[0], recorder.Ended()[1]
	for _, span := range recorder.Ended() {
		if got := span.Parent().TraceID().String() + "-" + span.Parent().SpanID().String(); got != parent[3:52] || span.Name() != "forward" {
			t.Errorf("the span %q is a child of %s, want %s", span.Name(), got, parent[3:52])
		}
	}
	if first.Status().Code != codes.Error || second.Status().Code == codes.Error {
		t.Errorf("the attempts ended %v and %v, want the first alone to be an error", first.Status(), second.Status())
	}
	want := map[attribute.Key]any{"nomadscale.instance": "a", "server.address": broken, "http.request.resend_count": int64(0)}
	if diff := cmp.Diff(want, attributes(first)); diff != "" {
		t.Errorf("the first attempt (-want +got):\n%s", diff)
	}
	want = map[attribute.Key]any{
		"nomadscale.instance": "b", "server.address": answers, "http.request.resend_count": int64(1),
		"http.response.status_code": int64(http.StatusOK),
	}
	if diff := cmp.Diff(want, attributes(second)); diff != "" {
		t.Errorf("the second attempt (-want +got):\n%s", diff)
	}
	if got, want := seen.Get("Traceparent"), "00-"+parent[3:35]+"-"+second.SpanContext().SpanID().String()+"-01"; got != want || seen.Get("Tracestate") != "a=1" {
		t.Errorf("the instance was told %s %s, want %s a=1", got, seen.Get("Tracestate"), want)
	}
}

// An attempt that failed for good says its cause; only those that are not the client's
// fault are errors.
func TestTracesOfFailures(t *testing.T) {
	unreadable := httptest.NewRequest(http.MethodPost, "/", brokenReader{})
	for cause, test := range map[api.Cause]struct {
		request *http.Request
		want    codes.Code
	}{
		api.CauseBadRequest:     {unreadable, codes.Unset},
		api.CauseRequestTimeout: {httptest.NewRequest(http.MethodGet, "/", nil), codes.Error},
	} {
		var config proxy.Config
		recorder := recording(&config)
		address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		a := proxy.Attempt{Address: address, Body: proxy.NewBody(test.request)}
		if cause == api.CauseRequestTimeout {
			a.Deadline = time.Now().Add(50 * time.Millisecond)
		}
		proxy.New(config).Forward(httptest.NewRecorder(), test.request, a)
		span := recorder.Ended()[0]
		if got := attributes(span); span.Status().Code != test.want || got["error.type"] != string(cause) || got["http.response.status_code"] != int64(cause.Status()) {
			t.Errorf("%s: %v, %v", cause, span.Status(), got)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the client's body broke off") }
