package gateway_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// recording is a tracer that keeps the spans that have ended.
func recording(c *gateway.Config) *tracetest.SpanRecorder {
	recorder := tracetest.NewSpanRecorder()
	c.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	return recorder
}

func attributes(span sdktrace.ReadOnlySpan, keys ...attribute.Key) map[attribute.Key]any {
	all := make(map[attribute.Key]any)
	for _, a := range span.Attributes() {
		for _, key := range keys {
			if a.Key == key {
				all[key] = a.Value.AsInterface()
			}
		}
	}
	return all
}

// A request that goes to a second instance shows both attempts in the trace of
// its client, and the instance that answers goes on with that of its attempt.
func TestTraces(t *testing.T) {
	var recorder *tracetest.SpanRecorder
	seen := make(http.Header)
	g := serve(t, func(c *gateway.Config) { recorder = recording(c) })
	g.nomad.report([]nomad.App{declared(t, webName, map[string]string{"service_selection_mode": "first"})})
	broken := instance(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	answers := instance(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	g.nomad.instances.Replace([]nomad.Instance{allocation(webName, "a", 0, broken), allocation(webName, "b", 1, answers)})
	eventually(t, "both are ready", func() bool { return g.status(t, webName).Running == 2 })

	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	response := send(t, http.MethodGet, "http://"+g.Address()+"/apps/"+webName+"/x", "", http.Header{"Traceparent": {parent},
		"Tracestate": {"a=1"}})
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Fatalf("got %s", response.Status)
	}
	eventually(t, "the spans have ended", func() bool { return len(recorder.Ended()) == 3 })
	first, second, whole := recorder.Ended()[0], recorder.Ended()[1], recorder.Ended()[2]
	if got := whole.Parent().TraceID().String() + "-" + whole.Parent().SpanID().String(); got != parent[3:52] {
		t.Errorf("the request's span is a child of %s, want %s", got, parent[3:52])
	}
	for _, attempt := range []sdktrace.ReadOnlySpan{first, second} {
		if attempt.Parent().SpanID() != whole.SpanContext().SpanID() {
			t.Errorf("the attempt is no child of the request's span")
		}
	}
	if whole.Name() != "GET "+webName {
		t.Errorf("the request's span is %q", whole.Name())
	}
	want := map[attribute.Key]any{"url.path": "/apps/" + webName + "/x", "nomadscale.app": webName,
		"http.response.status_code": int64(http.StatusOK)}
	if diff := cmp.Diff(want, attributes(whole, "url.path", "nomadscale.app", "http.response.status_code")); diff != "" {
		t.Errorf("the request's span (-want +got):\n%s", diff)
	}
	if first.Status().Code != codes.Error || second.Status().Code == codes.Error {
		t.Errorf("the attempts ended %v and %v, want the first alone to be an error", first.Status(), second.Status())
	}
	if got := attributes(second, "nomadscale.instance")["nomadscale.instance"]; got != "b" {
		t.Errorf("the second attempt was at %v, want b", got)
	}
	if got, want := seen.Get("Traceparent"), "00-"+parent[3:35]+"-"+second.SpanContext().SpanID().String()+"-01"; got != want ||
		seen.Get("Tracestate") != "a=1" {
		t.Errorf("the instance was told %s %s, want %s a=1", got, seen.Get("Tracestate"), want)
	}
}

// A refusal says its cause; only those that are the gateway's fault are errors.
func TestTracesOfRefusals(t *testing.T) {
	for cause, test := range map[api.Cause]struct {
		document scaler.Document
		maxBytes int64
		want     codes.Code
	}{
		api.CauseQueueFull:   {scaler.Document{"max_queued_requests": "0"}, 0, codes.Unset},
		api.CauseGatewayFull: {nil, 1, codes.Error},
	} {
		var recorder *tracetest.SpanRecorder
		g := serve(t, func(c *gateway.Config) {
			recorder = recording(c)
			c.MaxHeldBytes = test.maxBytes
		})
		g.declare([]nomad.App{declared(t, webName, test.document)})
		get(t, g.url(webName)).Body.Close()
		eventually(t, "the span has ended", func() bool { return len(recorder.Ended()) == 1 })
		span := recorder.Ended()[0]
		if got := attributes(span, "error.type", "http.response.status_code"); span.Status().Code != test.want ||
			got["error.type"] != string(cause) || got["http.response.status_code"] != int64(cause.Status()) {
			t.Errorf("%s: %v, %v", cause, span.Status(), got)
		}
	}
}
