package gateway

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/route"
)

// traceContext reads traceparent and tracestate. Without a tracer the gateway
// passes on those of the request as they are.
var traceContext propagation.TraceContext

// trace makes a span of the request, within the trace that the request belongs
// to. Without a tracer it is no link of the chain.
func (g *Gateway) trace(next handler) handler {
	if g.config.Tracer == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
		ctx := traceContext.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := g.config.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", r.Method),
			attribute.String("server.address", route.Hostname(r.Host)),
			attribute.String("url.path", r.URL.Path),
			attribute.String("client.address", g.proxy.ClientAddress(r)),
		))
		defer span.End()
		o := next(w, r.WithContext(ctx), x)
		describe(span, r.Method, o)
		return o
	}
}

// describe tells a span how the request has ended.
func describe(span trace.Span, method string, o *outcome) {
	if o.site != nil {
		app := o.site.app.ID.String()
		span.SetName(method + " " + app)
		span.SetAttributes(attribute.String("nomadscale.app", app))
	}
	if o.waited > 0 {
		span.SetAttributes(attribute.Float64("nomadscale.held_seconds", o.waited.Seconds()))
	}
	status := o.status()
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if o.refusal == nil {
		return
	}
	span.SetAttributes(attribute.String("error.type", string(o.refusal.Cause)))
	// What the client did wrong is no error of the server's.
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, o.refusal.Message)
	}
}
