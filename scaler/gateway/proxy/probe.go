package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

const probeTimeout = time.Second

// Prober asks instances whether they are ready.
type Prober struct {
	dialer net.Dialer
	client http.Client
}

// NewProber returns a prober.
func NewProber() *Prober {
	return &Prober{client: http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Probe asks an instance once. Ready means an open port, or with a path an answer of
// 2xx or 3xx.
func (p *Prober) Probe(ctx context.Context, address, path string) error {
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
