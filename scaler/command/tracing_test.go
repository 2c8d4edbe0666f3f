package command

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestTracesAreSent(t *testing.T) {
	requests := make(chan *collector.ExportTraceServiceRequest, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := new(collector.ExportTraceServiceRequest)
		if err != nil || proto.Unmarshal(body, request) != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: not an OTLP request (%v)", r.Method, r.URL, err)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		requests <- request
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	tracer, flush, err := newTracer(t.Context(), "1.2.3", "gateway-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(t.Context(), "GET default/shop/web")
	span.End()
	if err := flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := (<-requests).ResourceSpans[0]
	if name := sent.ScopeSpans[0].Spans[0].Name; name != "GET default/shop/web" {
		t.Errorf("the span is %q", name)
	}
	is := make(map[string]string)
	for _, a := range sent.Resource.Attributes {
		is[a.Key] = a.Value.GetStringValue()
	}
	for key, want := range map[string]string{"service.name": "nomadscale-gateway", "service.version": "1.2.3", "service.instance.id": "gateway-1", "deployment.environment.name": "test"} {
		if is[key] != want {
			t.Errorf("%s is %q, want %q", key, is[key], want)
		}
	}
}

func TestNoTracesWithoutAnEndpoint(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	tracer, flush, err := newTracer(t.Context(), "dev", "", slog.New(slog.DiscardHandler))
	if tracer != nil || err != nil || flush(t.Context()) != nil {
		t.Errorf("got %v, %v", tracer, err)
	}
}
