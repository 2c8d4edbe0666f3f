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

// maxConnections limits the connections of one client. The autoscaler evaluates all
// its policies in one burst, which would otherwise open a connection for each.
// Nomad refuses the 101st connection from an address.
const maxConnections = 32

// Transport returns an HTTP transport that opens few connections and reuses them.
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

// limitConnections sets the transport of a configuration, unless it has one or uses
// a socket.
func limitConnections(config *api.Config) error {
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
