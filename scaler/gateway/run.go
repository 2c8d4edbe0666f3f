package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// cutTimeout is how long requests have that are cut.
	cutTimeout = 5 * time.Second
	// Clients that are slower than this at sending a request's head are cut off,
	// and so are connections without requests.
	headTimeout       = 10 * time.Second
	connectionTimeout = 2 * time.Minute
)

// Run serves until the context ends, and then until the requests that are under
// way have ended, but no longer than the drain timeout. It is called once.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.work.Wait()
	defer g.stop()
	g.work.Go(func() { g.config.Nomad.WatchApps(g.background, g.apps.report, g.apps.failed) })
	g.work.Go(func() { g.config.Nomad.WatchInstances(g.background, g.apps) })
	g.work.Go(func() { g.config.Nomad.WatchOverrides(g.background, g.overrides.Report, g.overrides.Failed) })
	g.work.Go(func() { g.cluster.Run(g.background) })

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
		BaseContext:       func(net.Listener) context.Context { return g.background },
		ErrorLog:          g.proxy.ErrorLog(),
	}
	admin := &http.Server{Handler: g.admin, ReadHeaderTimeout: headTimeout, ErrorLog: g.proxy.ErrorLog()}
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
	g.config.Log.Info("the gateway serves", "id", g.config.ID, "address", g.Address(), "admin", g.AdminAddress())

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
	g.config.Log.Info("the gateway ends", "requests", g.requests.Load(), "shutdown_delay", g.config.ShutdownDelay)
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
	g.proxy.CloseIdle()
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
