package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// handler is one link of the chain. It passes on what it has found out about a
// request, and returns how the request ended. The outcome is a pointer because the stack
// of each request that waits would have a copy of it for each handler.
type handler func(w http.ResponseWriter, r *http.Request, x exchange) *outcome

// exchange is what is known of a request on its way in.
type exchange struct {
	arrived time.Time
	// site is the app that the request is for, and policy the app's policy when it
	// was routed.
	site   *site
	policy *scaler.Policy
	// prefix is what the app is mounted at, without a slash at its end.
	prefix string
}

// outcome is how a request ended.
type outcome struct {
	// refusal is what the gateway has to answer itself; nil when the instance's
	// answer was passed on.
	refusal *api.Refusal
	// site is the app that the request was for; nil when there is none.
	site *site
	// instance is the one of the last attempt, and attempt what that did.
	instance string
	attempt  api.AttemptResult
	// waited is how long the request waited for instances.
	waited time.Duration
}

// refused is the outcome of a request that the gateway answers itself.
func (x exchange) refused(err error) *outcome {
	return &outcome{refusal: asRefusal(err), site: x.site}
}

// asRefusal is what a client is answered for an error.
func asRefusal(err error) *api.Refusal {
	var refusal *api.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return &api.Refusal{Cause: api.CauseInternal, Message: err.Error()}
}

// status is the HTTP status that the client has been answered, or would have been
// had it stayed.
func (o *outcome) status() int {
	if o.refusal != nil {
		return o.refusal.Cause.Status()
	}
	return o.attempt.Status
}

// ServeHTTP takes a request through the chain.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	defer g.requests.Add(-1)
	if lastOnConnection(r) || g.ending.Load() && r.Header["Upgrade"] == nil {
		w.Header().Set("Connection", "close")
	}
	arrived := g.config.Now()
	o := g.chain(w, r, exchange{arrived: arrived})
	g.record(r, o, arrived)
	switch {
	case o.attempt.Aborted, o.refusal != nil && o.refusal.Cause == api.CauseClientLeft:
		panic(http.ErrAbortHandler)
	case o.refusal != nil:
		refusal := *o.refusal
		if o.site != nil {
			refusal.App = o.site.app.ID
		}
		writeRefusal(w, r, refusal)
	}
}

// lastOnConnection reports whether nothing more can be taken from a connection
// after a request. A request with both a length and chunks must be the last (RFC
// 9112, section 6.1), because another server may have taken what follows for its
// body, and so must one of HTTP/1.0 with chunks. But net/http does not let either
// be told from others with chunks, and of HTTP/1.0.
func lastOnConnection(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || r.TransferEncoding != nil)
}

// record counts and logs a request that has ended.
func (g *Gateway) record(r *http.Request, o *outcome, arrived time.Time) {
	log, took := g.config.Log, g.config.Now().Sub(arrived)
	if o.site != nil {
		log = o.site.app.Log()
		share := time.Duration(-1)
		if sent := o.attempt.Sent; !sent.IsZero() {
			share = max(0, sent.Sub(arrived)-o.waited)
		}
		o.site.metrics.Request(o.status(), took, share, o.waited)
		if o.refusal != nil {
			o.site.metrics.Rejected(o.refusal.Cause)
		}
	}
	if !g.config.AccessLog {
		return
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.URL.Path),
		slog.String("client", r.RemoteAddr), slog.Int("status", o.status()),
		slog.Duration("took", took), slog.Duration("held", o.waited),
		slog.String("instance", o.instance),
	)
}

// route finds the app of a request.
func (g *Gateway) route(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
		table := g.routes.Load()
		if table == nil {
			return x.refused(&api.Refusal{Cause: api.CauseStarting, Message: "the gateway does not know the apps yet", RetryAfter: 1})
		}
		site, prefix, found := table.Find(r.Host, r.URL.Path)
		if !found {
			return x.refused(&api.Refusal{Cause: api.CauseNoApp, Message: "no app is mounted here"})
		}
		x.site, x.prefix, x.policy = site, prefix, site.app.Policy()
		if x.policy == nil {
			return x.refused(policyInvalid(site.app))
		}
		return next(w, r, x)
	}
}

func policyInvalid(app *backend.App) *api.Refusal {
	why := ""
	if err := app.PolicyError(); err != nil {
		why = err.Error()
	}
	return &api.Refusal{Cause: api.CausePolicyInvalid, Message: "the app's policy is not valid: " + why}
}

// limit lets in rate_limit requests a second, and rate_limit_burst at once, and
// none whose body is known to be too large.
func (g *Gateway) limit(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
		if most := g.config.MaxBodyBytes; most > 0 && r.ContentLength > most {
			return x.refused(bodyTooLarge(most))
		}
		if err := x.site.app.Admit(x.policy, x.arrived); err != nil {
			return x.refused(err)
		}
		return next(w, r, x)
	}
}

func bodyTooLarge(limit int64) *api.Refusal {
	return &api.Refusal{Cause: api.CauseBodyTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// count makes the request load of its app until it has ended.
func (g *Gateway) count(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
		x.site.app.Begin(x.arrived)
		defer func() { x.site.app.End(g.config.Now()) }()
		return next(w, r, x)
	}
}

// forward sends the request to an instance, and to another one if that one does not
// accept it, or breaks off and the request can be sent again.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
	o := &outcome{site: x.site}
	request := backend.Request{Policy: x.policy, Arrived: x.arrived, Key: g.hashKey(x.policy, r), Client: client{r}}
	body := proxy.NewBody(r)
	var retries proxy.Retries
	var deadline time.Time
	for {
		lease, waited, err := x.site.app.Acquire(r.Context(), &request)
		o.waited += waited
		if err != nil {
			o.refusal = asRefusal(err)
			return o
		}
		// request_timeout is for all attempts together.
		if timeout := x.policy.RequestTimeout; timeout > 0 && deadline.IsZero() {
			deadline = g.config.Now().Add(timeout)
		}
		attempt := proxy.Attempt{
			Instance: lease.Instance(), Address: lease.Address(), Prefix: x.prefix,
			Body: body, Deadline: deadline, Timeout: x.policy.RequestTimeout, Resend: retries.Tried(),
		}
		if o.waited > 0 {
			attempt.OnHead = func(_ int, at time.Time) { x.site.app.FirstByte(at) }
		}
		o.instance = lease.Instance()
		o.attempt = g.attempt(w, r, lease, attempt)
		again, reason := retries.Next(o.attempt, r, body)
		if !again {
			o.refusal = o.attempt.Refusal()
			return o
		}
		x.site.metrics.Retried(reason)
		request.Failed = o.instance
	}
}

// attempt sends the request to the instance of a lease, and releases the lease.
func (g *Gateway) attempt(w http.ResponseWriter, r *http.Request, l backend.Lease, a proxy.Attempt) (result api.AttemptResult) {
	defer func() { l.Release(result) }()
	return g.proxy.Forward(w, r, a)
}
