package nomad

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// maxConnections bounds what one client opens at a time. The autoscaler evaluates
// all its policies in one burst, which would open a connection for each, and
// Nomad refuses the 101st of an address.
const maxConnections = 32

// Transport is an HTTP transport whose connections are few and kept.
func Transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxConnsPerHost:     maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// pool gives a configuration its transport, unless it has one or speaks through
// a socket.
func pool(config *api.Config) error {
	if config.HttpClient != nil || strings.HasPrefix(config.Address, "unix:") {
		return nil
	}
	client := &http.Client{Transport: Transport()}
	if err := api.ConfigureTLS(client, config.TLSConfig); err != nil {
		return fmt.Errorf("configuring TLS: %w", err)
	}
	config.HttpClient = client
	return nil
}
