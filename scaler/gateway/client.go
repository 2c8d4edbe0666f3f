package gateway

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// client is the client of a request that may have to wait.
type client struct{ *http.Request }

// What a request that waits costs in addition to its head: goroutine and buffers.
// Its body is not read meanwhile; but what arrives of it by HTTP/2 is buffered, as
// far as the flow control lets it.
const (
	waitOverhead = 16 << 10
	streamBuffer = 256 << 10
)

// Memory estimates what the request takes while it waits, in bytes.
func (c client) Memory() int64 {
	cost := waitOverhead + len(c.RequestURI) + len(c.Host)
	for name, values := range c.Header {
		for _, value := range values {
			cost += len(name) + len(value)
		}
	}
	if c.ProtoMajor == 2 && c.ContentLength >= 0 {
		return int64(cost) + min(c.ContentLength, streamBuffer)
	}
	if c.ProtoMajor == 2 {
		cost += streamBuffer
	}
	return int64(cost)
}

// Left returns a check whether the client has left; nil when the end of the
// request's context says so. net/http watches the connection of a request by
// HTTP/1 only once its body has been read.
func (c client) Left() func() bool {
	if c.ProtoMajor != 1 || c.ContentLength == 0 {
		return nil
	}
	conn, _ := c.Context().Value(connKey{}).(net.Conn)
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn()
	}
	if conn == nil {
		return nil
	}
	return func() bool { return hungUp(conn) }
}

type connKey struct{}

// withConn lets requests find the connection that they came by.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// hashKey is what the selection mode hash goes by.
func (g *Gateway) hashKey(p *scaler.Policy, r *http.Request) string {
	if p.ServiceSelectionMode != scaler.SelectHash {
		return ""
	}
	switch kind, name, _ := strings.Cut(p.HashKey, ":"); kind {
	case "header":
		return r.Header.Get(name)
	case "cookie":
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	default:
		return g.proxy.ClientAddress(r)
	}
}
