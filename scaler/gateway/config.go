package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Config says what a gateway is to do.
type Config struct {
	// Nomad is where it learns of apps and instances and scales them; required.
	Nomad Nomad
	// ID names this gateway among others; "" generates one.
	ID string
	// Listen is where requests are taken, and AdminListen where the gateway answers
	// for itself: host:port, with port 0 for any that is free. The default of
	// AdminListen is any port of loopback.
	Listen, AdminListen string
	// TLSCert and TLSKey are PEM files for taking requests over TLS; "" takes them
	// without. They are read again when they change.
	TLSCert, TLSKey string
	// AdminToken is asked for as a bearer token on AdminListen; "" asks for none.
	AdminToken string
	// MaxHeldRequests bounds the requests that wait, of all apps together; 0 means 10000.
	MaxHeldRequests int
	// MaxHeldBytes bounds the memory that they take, estimated from their headers
	// and from what HTTP/2 buffers of their bodies; 0 means 512 MiB.
	MaxHeldBytes int64
	// MaxHeaderBytes bounds the head of a request; 0 means 64 KiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds the body of a request; 0 means no bound.
	MaxBodyBytes int64
	// ClientTimeout bounds how long a client may take to send more of a body, by
	// HTTP/1, or to take more of an answer; 0 means 1 minute, and a negative value
	// disables it.
	ClientTimeout time.Duration
	// ShutdownDelay is how long the gateway goes on taking requests after Run's
	// context has ended, while /readyz says that it does not: load balancers
	// need that time to notice.
	ShutdownDelay time.Duration
	// DrainTimeout bounds how long requests may take to end after that; 0 means
	// 5 minutes.
	DrainTimeout time.Duration
	// Peers are the gateways, this one among them, that share the load of apps;
	// nil for a gateway that is alone. They have to answer within a second.
	Peers *api.Client
	// EndDelays ends the shutdown_delay of a stopping instance when its last
	// request has ended at every gateway. Requests that reach the instance any
	// other way would be cut.
	EndDelays bool
	// TrustForwarded takes over the X-Forwarded-* headers of requests. It is for
	// a gateway that only a trusted proxy can reach.
	TrustForwarded bool
	// AccessLog logs every request.
	AccessLog bool
	// Tracer makes the spans of requests; nil for none.
	Tracer trace.Tracer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is where the gateway logs; nil discards.
	Log *slog.Logger
}

// Nomad is what a gateway needs of Nomad; [*nomad.Client] is one.
type Nomad interface {
	backend.Nomad
	WatchApps(ctx context.Context, report func([]nomad.App), failed func(error))
	WatchInstances(ctx context.Context, w nomad.InstanceWatcher)
	WatchOverrides(ctx context.Context, report func([]nomad.AppOverride), failed func(error))
}

// complete checks a configuration and fills in the defaults.
func (c Config) complete() (Config, error) {
	if c.Nomad == nil {
		return c, errors.New("configuring the gateway: there is no Nomad")
	}
	c.ID = cmp.Or(c.ID, rand.Text())
	c.AdminListen = cmp.Or(c.AdminListen, "127.0.0.1:0")
	c.MaxHeldRequests = cmp.Or(c.MaxHeldRequests, 10000)
	c.MaxHeldBytes = cmp.Or(c.MaxHeldBytes, 512<<20)
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, 64<<10)
	c.ClientTimeout = cmp.Or(c.ClientTimeout, time.Minute)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 5*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
