package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A probe is repeated after probeFirst at first and, growing by a tenth each
// time, after probeLast in the end. A quick app is seen within probeFirst of its
// port being open, and one that never starts costs four probes a second.
const (
	probeFirst   = 25 * time.Millisecond
	probeLast    = 250 * time.Millisecond
	probeTimeout = time.Second
)

// probe waits until an instance is ready, or the context ends. It begins after a
// while. After each probe in vain it calls tried.
func (p *prober) probe(ctx context.Context, after time.Duration, address, path string, tried func(error)) error {
	pause := probeFirst
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		err := p.try(ctx, address, path)
		if err == nil {
			return nil
		}
		tried(err)
		timer.Reset(pause)
		pause = min(pause*11/10, probeLast)
	}
}

// prober asks instances whether they are ready.
type prober struct {
	dialer net.Dialer
	client http.Client
}

func newProber() *prober {
	return &prober{client: http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// try probes once: an open port, or with a path a 2xx or 3xx.
func (p *prober) try(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if path == "" {
		conn, err := p.dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "nomadscale-probe")
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("%s answered %s", path, response.Status)
	}
	return nil
}
