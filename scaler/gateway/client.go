package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// client bounds the body that a client may send, and how long it may take to send
// more of it or to take more of an answer. A stream of HTTP/2 may pause in what
// it sends; request_timeout is over all.
func (g *Gateway) client(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		timeout := g.config.ClientTimeout
		var body *steadyBody
		if r.ContentLength != 0 {
			body = &steadyBody{ReadCloser: r.Body}
			if limit := g.config.MaxBodyBytes; limit > 0 {
				body.ReadCloser = http.MaxBytesReader(w, r.Body, limit)
			}
			if r.ProtoMajor == 1 && timeout > 0 {
				body.control, body.timeout = http.NewResponseController(w), timeout
			}
			// The server looks at the body of its own request to see whether it was
			// asked for.
			r = r.WithContext(r.Context())
			r.Body = body
		}
		if timeout > 0 {
			steady := &steadyWriter{ResponseWriter: w, timeout: timeout}
			defer steady.end()
			w = steady
		}
		err := next(w, r, c)
		if err != nil && body != nil {
			if refusal := body.refusal.Load(); refusal != nil {
				return refusal
			}
		}
		return err
	}
}

func bodyTooLarge(limit int64) *api.Refusal {
	return &api.Refusal{
		Cause:   api.CauseBodyTooLarge,
		Message: fmt.Sprintf("the body is larger than %d bytes", limit),
	}
}

// steadyBody is a body of which more has to come all the time.
type steadyBody struct {
	io.ReadCloser
	// control sets the deadlines; nil for none.
	control *http.ResponseController
	timeout time.Duration
	// refusal is why no more of it is read, if that is the client's fault.
	refusal atomic.Pointer[api.Refusal]
}

func (b *steadyBody) Read(p []byte) (int, error) {
	if b.control != nil {
		_ = b.control.SetReadDeadline(time.Now().Add(b.timeout))
	}
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		b.refusal.Store(bodyTooLarge(tooLarge.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.refusal.Store(&api.Refusal{
			Cause:   api.CauseSlowClient,
			Message: fmt.Sprintf("nothing more of the body came within %s", b.timeout),
		})
	}
	if b.control != nil {
		// From here on net/http watches the connection by reading from it.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// steadyWriter is an answer of which the client has to take more all the time.
type steadyWriter struct {
	http.ResponseWriter
	timeout time.Duration
	// buffered are the bytes written that net/http cannot have sent on yet.
	buffered int
	// timer breaks off a write that takes too long.
	timer *time.Timer
}

// serverBuffer is what net/http keeps of an answer before it sends any of it.
const serverBuffer = 2048

func (w *steadyWriter) Write(p []byte) (int, error) {
	if w.buffered += len(p); w.buffered <= serverBuffer {
		return w.ResponseWriter.Write(p)
	}
	defer w.start().Stop()
	return w.ResponseWriter.Write(p)
}

// end sends what is left of an answer that the client has to take some of.
func (w *steadyWriter) end() {
	if w.timer != nil {
		_ = w.FlushError()
	}
}

// FlushError is what an [http.ResponseController] flushes by.
func (w *steadyWriter) FlushError() error {
	defer w.start().Stop()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *steadyWriter) start() *time.Timer {
	if w.timer == nil {
		control := http.NewResponseController(w.ResponseWriter)
		w.timer = time.AfterFunc(w.timeout, func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) })
	} else {
		w.timer.Reset(w.timeout)
	}
	return w.timer
}

// Unwrap lets an [http.ResponseController] reach what this one does not do.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
