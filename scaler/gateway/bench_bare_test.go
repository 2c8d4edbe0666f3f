package gateway_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// newBare is a ReverseProxy and nothing else, which has as many idle connections to
// instances and as large buffers as the gateway.
func newBare(rewrite func(*httputil.ProxyRequest)) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: 4 * time.Second, DisableCompression: true},
		BufferPool: new(bareBuffers),
		ErrorLog:   log.New(io.Discard, "", 0),
		Rewrite:    rewrite,
	}
}

type bareBuffers struct{ pool sync.Pool }

func (b *bareBuffers) Get() []byte {
	buffer, ok := b.pool.Get().(*[32 << 10]byte)
	if !ok {
		buffer = new([32 << 10]byte)
	}
	return buffer[:]
}

func (b *bareBuffers) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }
