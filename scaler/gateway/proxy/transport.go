package proxy

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// dialTimeout is short because another instance may accept the request.
	dialTimeout = 2 * time.Second
	// idlePerInstance are kept open to each instance, because as many requests at a
	// time need as many connections.
	idlePerInstance = 1024
	// idleTimeout is below the 5 seconds after which Node.js and uvicorn close an idle
	// connection: a request that meets that cannot always be sent again.
	idleTimeout = 4 * time.Second
)

// transport speaks HTTP/1.1 to instances, and HTTP/2 for gRPC, which requires it.
type transport struct{ plain, grpc *http.Transport }

func newTransport() transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	speaking := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:           dialer.DialContext,
			MaxIdleConnsPerHost:   idlePerInstance,
			IdleConnTimeout:       idleTimeout,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true,
			Protocols:             protocols,
		}
	}
	plain, grpc := new(http.Protocols), new(http.Protocols)
	plain.SetHTTP1(true)
	grpc.SetUnencryptedHTTP2(true)
	return transport{plain: speaking(plain), grpc: speaking(grpc)}
}

// RoundTrip sends a request to its instance.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		return t.grpc.RoundTrip(r)
	}
	return t.plain.RoundTrip(r)
}

// CloseIdleConnections closes the connections that no request uses.
func (t transport) CloseIdleConnections() {
	t.plain.CloseIdleConnections()
	t.grpc.CloseIdleConnections()
}

const bufferSize = 32 << 10

// buffers is a pool of arrays, because a slice in a sync.Pool costs an allocation.
type buffers struct{ pool sync.Pool }

// Get returns a buffer.
func (b *buffers) Get() []byte {
	buffer, ok := b.pool.Get().(*[bufferSize]byte)
	if !ok {
		buffer = new([bufferSize]byte)
	}
	return buffer[:]
}

// Put takes a buffer back.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }
