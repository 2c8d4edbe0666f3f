package gateway

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// recording is a tracer that keeps the spans that have ended.
func recording(c *Config) *tracetest.SpanRecorder {
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
	g := newGateway(t, func(c *Config) { recorder = recording(c) })
	g.apps.report([]nomad.App{declared(t, appName, map[string]string{"service_selection_mode": "first"})})
	broken := upstreamServer(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	answers := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	g.apps.Replace([]nomad.Instance{allocation(appName, "a", 0, broken), allocation(appName, "b", 1, answers)})
	running(t, g)
	eventually(t, "both are ready", func() bool { return g.apps.statuses()[0].Running == 2 })

	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	response := send(t, http.MethodGet, "http://"+g.Address()+"/apps/"+appName+"/x", "", http.Header{"Traceparent": {parent}, "Tracestate": {"a=1"}})
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
	if whole.Name() != "GET "+appName {
		t.Errorf("the request's span is %q", whole.Name())
	}
	want := map[attribute.Key]any{"url.path": "/apps/" + appName + "/x", "nomadscale.app": appName, "http.response.status_code": int64(http.StatusOK)}
	if diff := cmp.Diff(want, attributes(whole, "url.path", "nomadscale.app", "http.response.status_code")); diff != "" {
		t.Errorf("the request's span (-want +got):\n%s", diff)
	}
	if first.Status().Code != codes.Error || second.Status().Code == codes.Error {
		t.Errorf("the attempts ended %v and %v, want the first alone to be an error", first.Status(), second.Status())
	}
	if got := attributes(second, "nomadscale.instance")["nomadscale.instance"]; got != "b" {
		t.Errorf("the second attempt was at %v, want b", got)
	}
	if got, want := seen.Get("Traceparent"), "00-"+parent[3:35]+"-"+second.SpanContext().SpanID().String()+"-01"; got != want || seen.Get("Tracestate") != "a=1" {
		t.Errorf("the instance was told %s %s, want %s a=1", got, seen.Get("Tracestate"), want)
	}
}

// A refusal says its cause; only those that are the gateway's fault are errors.
func TestTracesOfRefusals(t *testing.T) {
	for cause, want := range map[api.Cause]codes.Code{api.CauseQueueFull: codes.Unset, api.CauseGatewayFull: codes.Error} {
		var recorder *tracetest.SpanRecorder
		g := newGateway(t, func(c *Config) { recorder = recording(c) })
		h := g.trace(func(http.ResponseWriter, *http.Request, *call) error {
			return &api.Refusal{Cause: cause, Message: "full"}
		})
		_ = serve(h, new(call))
		span := recorder.Ended()[0]
		if got := attributes(span, "error.type", "http.response.status_code"); span.Status().Code != want || got["error.type"] != string(cause) || got["http.response.status_code"] != int64(cause.Status()) {
			t.Errorf("%s: %v, %v", cause, span.Status(), got)
		}
	}
}
