package proxy

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// traceContext writes traceparent and tracestate. Without a tracer those of the
// request are passed on as they are.
var traceContext propagation.TraceContext

// startSpan starts the span of an attempt.
func startSpan(ctx context.Context, tracer trace.Tracer, a Attempt) (context.Context, trace.Span) {
	return tracer.Start(ctx, "forward", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("nomadscale.instance", a.Instance),
		attribute.String("server.address", a.Address),
		attribute.Int("http.request.resend_count", a.Resend),
	))
}

// endSpan records in the span how the attempt has ended.
func endSpan(span trace.Span, result api.AttemptResult) {
	defer span.End()
	status := result.Status
	// After an attempt that another one may follow, no status is known yet.
	if result.Cause != "" && retryReason(result) == "" {
		status = result.Cause.Status()
		span.SetAttributes(attribute.String("error.type", string(result.Cause)))
	}
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	// What the client did wrong is no error of the server's.
	if result.Err != nil && (status == 0 || status >= http.StatusInternalServerError) {
		span.SetStatus(codes.Error, result.Err.Error())
	}
}
