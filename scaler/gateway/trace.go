package gateway

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// traceContext reads and writes traceparent and tracestate. Without a tracer the
// gateway passes on those of the request as they are.
var traceContext propagation.TraceContext

// trace makes a span of the request, within the trace that the request belongs
// to. Without a tracer it is no link of the chain.
func (g *Gateway) trace(next handler) handler {
	if g.config.Tracer == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		ctx := traceContext.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := g.config.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", r.Method),
			attribute.String("server.address", hostname(r.Host)),
			attribute.String("url.path", r.URL.Path),
			attribute.String("client.address", g.clientAddress(r)),
		))
		defer span.End()
		err := next(w, r.WithContext(ctx), c)
		if c.app != nil {
			span.SetName(r.Method + " " + c.app.name)
			span.SetAttributes(attribute.String("nomadscale.app", c.app.name))
		}
		if c.waited > 0 {
			span.SetAttributes(attribute.Float64("nomadscale.held_seconds", c.waited.Seconds()))
		}
		describe(span, c, err)
		return err
	}
}

// traceAttempt makes a span of sending the request to an instance.
func (g *Gateway) traceAttempt(ctx context.Context, c *call) (context.Context, trace.Span) {
	return g.config.Tracer.Start(ctx, "forward", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("nomadscale.instance", c.place.id()),
		attribute.String("server.address", c.place.address),
		attribute.Int("http.request.resend_count", c.tried),
	))
}

// describe tells a span how the request, or the attempt, has ended.
func describe(span trace.Span, c *call, err error) {
	status, why := c.status, ""
	var refusal *api.Refusal
	switch {
	case errors.As(err, &refusal):
		status, why = refusal.Cause.Status(), refusal.Message
		span.SetAttributes(attribute.String("error.type", string(refusal.Cause)))
	case err != nil:
		status, why = 0, err.Error()
	}
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	// What the client did wrong is no error of the server's.
	if err != nil && (status == 0 || status >= http.StatusInternalServerError) {
		span.SetStatus(codes.Error, why)
	}
}
