// Package gateway is the data plane: it takes requests, starts and grows apps for
// them, and passes each on to an instance.
//
// A request goes through a chain of handlers, in the order of [New]: trace,
// slowClient, route, limit, count, forward. What the gateway knows of apps is in
// package backend, what it knows of other gateways in package cluster, and how it
// talks to instances in package proxy.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/admin"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/route"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Gateway routes requests to the instances of apps.
type Gateway struct {
	config Config
	chain  handler
	routes atomic.Pointer[route.Table[*site]]
	apps   *apps
	// overrides are what operators have changed for a while.
	overrides *nomad.Overrides
	cluster   *cluster.Cluster
	proxy     *proxy.Proxy
	metrics   *admin.Metrics
	admin     http.Handler

	listener, adminListener net.Listener
	// tls is how requests are taken; nil without TLS.
	tls *tls.Config

	// ending is true once Run's context has ended.
	ending atomic.Bool
	// requests are those in the chain.
	requests atomic.Int64
	// background ends what runs in the background, which is in work.
	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// New returns a gateway that listens already and serves once it runs.
func New(config Config) (*Gateway, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	g := &Gateway{config: config, metrics: admin.NewMetrics()}
	g.background, g.stop = context.WithCancel(context.Background())
	g.proxy = proxy.New(proxy.Config{Now: config.Now, Log: config.Log, TrustForwarded: config.TrustForwarded, Tracer: config.Tracer})
	g.overrides = nomad.NewOverrides(g.ignored)
	g.connect(rand.Text(), new(cluster.LamportClock))
	g.chain = g.trace(g.slowClient(g.route(g.limit(g.count(g.forward)))))
	if err := g.listen(); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

// connect joins the apps, the other gateways and the admin listener, each of which
// needs the others. Process names this process among the gateways' others.
func (g *Gateway) connect(process string, clock *cluster.LamportClock) {
	c := cluster.Config{
		Process: process, Now: g.config.Now, Log: g.config.Log, OnError: g.metrics.PeerError,
		OnRound:  func(elapsed time.Duration) { g.apps.countArrivals(elapsed) },
		OnChange: func(m *cluster.Membership) { g.apps.observe(m) },
	}
	if g.config.Peers != nil {
		c.Client = g.config.Peers
	}
	g.cluster = cluster.New(c)
	g.apps = newApps(backend.Config{
		Nomad: g.config.Nomad, Overrides: g.overrides, Cluster: g.cluster, Process: process, Clock: clock,
		Budget:  backend.NewBudget(backend.Usage{Requests: int64(g.config.MaxHeldRequests), Bytes: g.config.MaxHeldBytes}),
		Prober:  proxy.NewProber(),
		Metrics: g.metrics, EndDelays: g.config.EndDelays, Now: g.config.Now, Log: g.config.Log, Context: g.background, Go: g.work.Go,
	}, g.mount)
	g.metrics.Watch(g.apps, g.cluster)
	g.admin = admin.Handler(admin.Config{
		Gateway: g.config.ID, Process: process, Token: g.config.AdminToken, Apps: g.apps, Cluster: g.cluster, Clock: clock,
		Now: g.config.Now, Metrics: g.metrics, Ending: g.ending.Load, OverridesKnown: g.overrides.Known,
	})
}

// listen opens the listeners.
func (g *Gateway) listen() (err error) {
	if g.config.TLSCert != "" || g.config.TLSKey != "" {
		certificate, err := readCertificate(g.config.TLSCert, g.config.TLSKey, g.config.Now, g.config.Log)
		if err != nil {
			return err
		}
		g.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
	}
	if g.listener, err = net.Listen("tcp", g.config.Listen); err != nil {
		return fmt.Errorf("listening for requests: %w", err)
	}
	if g.adminListener, err = net.Listen("tcp", g.config.AdminListen); err != nil {
		return errors.Join(fmt.Errorf("listening for administration: %w", err), g.listener.Close())
	}
	return nil
}

// ignored logs what is wrong with an override; a zero AppID stands for all.
func (g *Gateway) ignored(app scaler.AppID, err error) {
	if app == (scaler.AppID{}) {
		g.config.Log.Warn("overrides cannot be read", "error", err)
		return
	}
	g.config.Log.Error("an override cannot be applied", "namespace", app.Namespace, "job", app.Job, "group", app.Group, "error", err)
}

// Address is where requests are taken.
func (g *Gateway) Address() string { return g.listener.Addr().String() }

// AdminAddress is where the gateway answers for itself.
func (g *Gateway) AdminAddress() string { return g.adminListener.Addr().String() }
