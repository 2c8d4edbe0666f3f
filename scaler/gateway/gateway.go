// Package gateway is the data plane: it takes requests, starts and grows apps
// for them, and passes each on to an instance.
//
// A request goes through a chain of handlers, one concern and one file each:
// trace, client, route, limit, count, hold, selection, forward. What the gateway knows of
// Nomad is in the registry of apps, and what it does of its own accord is probing
// new instances and scaling up.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Config says what a gateway is to do.
type Config struct {
	// Nomad is where it learns of apps and instances and scales them; required.
	Nomad Nomad
	// ID names this gateway among others; "" makes one up.
	ID string
	// Listen is where requests are taken, AdminListen where the gateway answers
	// for itself: host:port, and port 0 for any that is free. Without
	// AdminListen that is any port of loopback.
	Listen, AdminListen string
	// TLSCert and TLSKey are files in PEM with which requests are taken over TLS;
	// "" takes them without. They are read again when they change.
	TLSCert, TLSKey string
	// AdminToken is asked for as a bearer token on AdminListen; "" asks for none.
	AdminToken string
	// MaxHeldRequests bounds the requests held of all apps together; 0 means 10000.
	MaxHeldRequests int
	// MaxHeldBytes bounds the memory that they take, estimated by their headers
	// and what HTTP/2 buffers of their bodies; 0 means 512 MiB.
	MaxHeldBytes int64
	// MaxHeaderBytes bounds the head of a request; 0 means 64 KiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds the body of a request; 0 means no bound.
	MaxBodyBytes int64
	// ClientTimeout bounds how long a client may take to send more of a body, by
	// HTTP/1, or to take more of an answer; 0 means 1 minute, and less none.
	ClientTimeout time.Duration
	// ShutdownDelay is how long the gateway goes on taking requests after Run's
	// context has ended, while /readyz says that it does not: load balancers
	// need that time to notice.
	ShutdownDelay time.Duration
	// DrainTimeout bounds how long requests may take to end after that; 0 means
	// 5 minutes.
	DrainTimeout time.Duration
	// Peers are the gateways, this one among them, that share the load of apps;
	// nil for one that is alone. Their answers have to come within a second, so
	// a Client there has no longer timeout.
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
	WatchApps(ctx context.Context, report func([]nomad.App), failed func(error))
	WatchInstances(ctx context.Context, w nomad.InstanceWatcher)
	WatchOverrides(ctx context.Context, report func([]nomad.AppOverride), failed func(error))
	Status(ctx context.Context, app scaler.AppID) (nomad.Status, error)
	Scale(ctx context.Context, app scaler.AppID, from nomad.Status, d scaler.Decision) error
	EndDelay(ctx context.Context, allocation string) error
}

const (
	defaultMaxHeld      = 10000
	defaultMaxHeldBytes = 512 << 20
	defaultDrainTimeout = 5 * time.Minute
	// cutTimeout is how long requests have that are cut.
	cutTimeout = 5 * time.Second
	// Clients that are slower than this at sending a request's head are cut off,
	// and so are connections without requests.
	headTimeout           = 10 * time.Second
	connectionTimeout     = 2 * time.Minute
	defaultMaxHeaderBytes = 64 << 10
	defaultClientTimeout  = time.Minute
)

// Gateway routes requests to the instances of apps.
type Gateway struct {
	config Config
	log    *slog.Logger
	now    func() time.Time
	apps   *apps
	// overrides are what operators have changed for a while.
	overrides *nomad.Overrides
	metrics   *metrics
	// process names this process among the gateways' others.
	process     string
	slotReports numbers
	peers       *peers
	prober      *prober
	to          upstream
	proxy       *httputil.ReverseProxy
	chain       handler

	listener, adminListener net.Listener
	// tls is how requests are taken; nil without TLS.
	tls *tls.Config

	// ending is true once Run's context has ended.
	ending atomic.Bool
	// requests are in the chain, and held are waiting in it.
	requests atomic.Int64
	held     *holdings
	// ctx ends everything that runs in the background, which is in work.
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup
}

// New returns a gateway that listens already and serves once it runs.
func New(config Config) (*Gateway, error) {
	if config.Nomad == nil {
		return nil, errors.New("configuring the gateway: there is no Nomad")
	}
	if config.ID == "" {
		config.ID = rand.Text()
	}
	if config.MaxHeldRequests == 0 {
		config.MaxHeldRequests = defaultMaxHeld
	}
	if config.MaxHeldBytes == 0 {
		config.MaxHeldBytes = defaultMaxHeldBytes
	}
	if config.MaxHeaderBytes == 0 {
		config.MaxHeaderBytes = defaultMaxHeaderBytes
	}
	if config.ClientTimeout == 0 {
		config.ClientTimeout = defaultClientTimeout
	}
	if config.DrainTimeout == 0 {
		config.DrainTimeout = defaultDrainTimeout
	}
	if config.AdminListen == "" {
		config.AdminListen = "127.0.0.1:0"
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{config: config, log: config.Log, now: config.Now, prober: newProber(), to: newUpstream(), process: rand.Text()}
	g.peers = newPeers(g, config.Peers)
	g.proxy = newProxy(g.to, config.Log)
	g.proxy.Rewrite, g.proxy.ModifyResponse, g.proxy.ErrorHandler = g.rewrite, g.answered, failed
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.apps = newApps(g)
	g.overrides = nomad.NewOverrides(g.ignored)
	g.held = newHoldings(holding{requests: int64(config.MaxHeldRequests), bytes: config.MaxHeldBytes})
	g.metrics = newMetrics(g)
	g.chain = g.trace(g.client(g.route(g.limit(g.count(g.hold(g.selection(g.forward)))))))

	var err error
	if config.TLSCert != "" || config.TLSKey != "" {
		certificate, err := readCertificate(config.TLSCert, config.TLSKey, g.now, g.log)
		if err != nil {
			return nil, err
		}
		g.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
	}
	if g.listener, err = net.Listen("tcp", config.Listen); err != nil {
		return nil, fmt.Errorf("listening for requests: %w", err)
	}
	if g.adminListener, err = net.Listen("tcp", config.AdminListen); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for administration: %w", err), g.listener.Close())
	}
	return g, nil
}

// ignored says what is wrong with an override; a zero target stands for all.
func (g *Gateway) ignored(t scaler.AppID, err error) {
	if t == (scaler.AppID{}) {
		g.log.Warn("overrides cannot be read", "error", err)
		return
	}
	g.log.Error("an override cannot be applied", "namespace", t.Namespace, "job", t.Job, "group", t.Group, "error", err)
}

// Address is where requests are taken.
func (g *Gateway) Address() string { return g.listener.Addr().String() }

// AdminAddress is where the gateway answers for itself.
func (g *Gateway) AdminAddress() string { return g.adminListener.Addr().String() }

// Run serves until the context ends, and then until the requests that are under
// way have ended, but no longer than the drain timeout. It is called once.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.work.Wait()
	defer g.stop()
	g.work.Go(func() { g.config.Nomad.WatchApps(g.ctx, g.apps.report, g.apps.failed) })
	g.work.Go(func() { g.config.Nomad.WatchInstances(g.ctx, g.apps) })
	g.work.Go(func() { g.config.Nomad.WatchOverrides(g.ctx, g.overrides.Report, g.overrides.Failed) })
	g.work.Go(func() { g.peers.run(g.ctx) })

	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(true)
	server := &http.Server{
		Handler:           g,
		Protocols:         protocols,
		TLSConfig:         g.tls,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       connectionTimeout,
		MaxHeaderBytes:    g.config.MaxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer},
		ConnContext:       withConn,
		BaseContext:       func(net.Listener) context.Context { return g.ctx },
		ErrorLog:          g.proxy.ErrorLog,
	}
	admin := &http.Server{Handler: g.adminHandler(), ReadHeaderTimeout: headTimeout, ErrorLog: g.proxy.ErrorLog}
	failed := make(chan error, 2)
	serve := func(s *http.Server, on net.Listener) {
		g.work.Go(func() {
			serve := s.Serve
			if s.TLSConfig != nil {
				serve = func(on net.Listener) error { return s.ServeTLS(on, "", "") }
			}
			if err := serve(on); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving on %s: %w", on.Addr(), err)
			}
		})
	}
	serve(server, g.listener)
	serve(admin, g.adminListener)
	g.log.Info("the gateway serves", "id", g.config.ID, "address", g.Address(), "admin", g.AdminAddress())

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, g.drain(server), admin.Close())
}

// drain serves on for the shutdown delay, then takes no more connections and waits
// for the requests under way, those on upgraded connections included. What is left
// at the drain timeout is cut.
func (g *Gateway) drain(server *http.Server) error {
	g.ending.Store(true)
	g.log.Info("the gateway ends", "requests", g.requests.Load(), "shutdown_delay", g.config.ShutdownDelay)
	time.Sleep(g.config.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), g.config.DrainTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if err == nil {
		err = g.idle(ctx)
	}
	if err != nil {
		err = fmt.Errorf("waiting for %d requests to end: %w", g.requests.Load(), err)
		g.stop()
		ctx, cancel := context.WithTimeout(context.Background(), cutTimeout)
		defer cancel()
		err = errors.Join(err, server.Close(), g.idle(ctx))
	}
	g.to.closeIdle()
	return err
}

// idle waits until no request is under way.
func (g *Gateway) idle(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for g.requests.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// handler is one link of the chain. What it finds out about a request it leaves
// in the call. An error is an answer that still has to be given.
type handler func(w http.ResponseWriter, r *http.Request, c *call) error

// call is what the chain knows of one request.
type call struct {
	app    *app
	policy *scaler.Policy
	// prefix is what the app is mounted at, without a slash at its end.
	prefix string
	// key is what the mode hash goes by.
	key string
	// place is where the request goes, while it has room kept for it.
	place place
	// tried counts the instances that did not answer the request, and replayed
	// those of them that may have had it. failedAt is the last of them.
	tried, replayed int
	failedAt        string
	// upload is the request's body; nil without one.
	upload *upload

	arrived time.Time
	// waited is how long the request was held.
	waited time.Duration
	// sent and headed are when the request went to its instance and when the
	// answer's head came back; zero before.
	sent, headed time.Time
	// timeout ends the request at the deadline; nil without request_timeout.
	timeout  *time.Timer
	deadline time.Time
	// failure is why the instance gave no answer; nil when it did.
	failure error
	// status is that of the answer, from when it has begun; 0 before.
	status int
}

// ServeHTTP takes a request through the chain.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	defer g.requests.Add(-1)
	if last(r) || g.ending.Load() && r.Header["Upgrade"] == nil {
		w.Header().Set("Connection", "close")
	}
	c := &call{arrived: g.now()}
	defer g.done(r, c)
	err := g.chain(w, r, c)
	if err == nil {
		return
	}
	refusal := asRefusal(err)
	c.status = refusal.Cause.Status()
	if c.app != nil {
		refusal.App = c.app.id
		g.metrics.rejected.WithLabelValues(c.app.name, string(refusal.Cause)).Inc()
	}
	if refusal.Cause == api.CauseClientLeft {
		panic(http.ErrAbortHandler)
	}
	writeRefusal(refusal, w, r)
}

// last tells requests after which nothing more can be taken from a connection. A
// request with both a length and chunks must be the last (RFC 9112, section 6.1),
// since another server may have taken what follows for its body, and so must one
// of HTTP/1.0 with chunks; but net/http does not let either be told from others
// with chunks, and of HTTP/1.0.
func last(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || r.TransferEncoding != nil)
}

// done records a request that has ended.
func (g *Gateway) done(r *http.Request, c *call) {
	took := g.now().Sub(c.arrived)
	if c.app != nil {
		c.app.metrics.observe(c, took)
	}
	if !g.config.AccessLog {
		return
	}
	logger := g.log
	if c.app != nil {
		logger = c.app.log
	}
	logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.URL.Path),
		slog.String("client", r.RemoteAddr), slog.Int("status", c.status),
		slog.Duration("took", took), slog.Duration("held", c.waited),
		slog.String("instance", c.place.id()),
	)
}
