package gateway

import (
	"context"
	"net"
	"net/http"
	"time"
)

// hangupInterval is how often it is looked whether a client is still there.
const hangupInterval = time.Second

type connKey struct{}

// withConn lets requests find the connection that they came by.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// watched is the connection of a request whose client may leave unnoticed, nil
// for others: net/http watches the connection of a request by HTTP/1 only once
// its body has been read.
func watched(r *http.Request) net.Conn {
	if r.ProtoMajor != 1 || r.ContentLength == 0 {
		return nil
	}
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return tls.NetConn()
	}
	return conn
}
