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

// slowClient bounds the body that a client may send, and how long the client may
// take to send more of it or to take more of an answer. A stream of HTTP/2 may
// pause in what it sends, because request_timeout bounds all of it.
func (g *Gateway) slowClient(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, x exchange) *outcome {
		timeout := g.config.ClientTimeout
		var body *idleTimeoutBody
		if r.ContentLength != 0 {
			body = &idleTimeoutBody{ReadCloser: r.Body}
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
			writer := &idleTimeoutWriter{ResponseWriter: w, timeout: timeout}
			defer writer.end()
			w = writer
		}
		o := next(w, r, x)
		if o.refusal != nil && body != nil {
			if refusal := body.refusal.Load(); refusal != nil {
				o.refusal = refusal
			}
		}
		return o
	}
}

// idleTimeoutBody is a body of which more has to come within a timeout.
type idleTimeoutBody struct {
	io.ReadCloser
	// control sets the deadlines; nil for none.
	control *http.ResponseController
	timeout time.Duration
	// refusal is why no more of it is read, if that is the client's fault.
	refusal atomic.Pointer[api.Refusal]
}

// Read reads more of the body. The client has the whole timeout for each call.
func (b *idleTimeoutBody) Read(p []byte) (int, error) {
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
		b.refusal.Store(&api.Refusal{Cause: api.CauseSlowClient, Message: fmt.Sprintf("nothing more of the body came within %s", b.timeout)})
	}
	if b.control != nil {
		// From here on net/http watches the connection by reading from it.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// idleTimeoutWriter is an answer of which the client has to take more within a
// timeout.
type idleTimeoutWriter struct {
	http.ResponseWriter
	timeout time.Duration
	// buffered are the bytes written that net/http cannot have sent on yet.
	buffered int
	// timer breaks off a write that takes too long.
	timer *time.Timer
}

// serverBuffer is what net/http keeps of an answer before it sends any of it.
const serverBuffer = 2048

// Write writes more of the answer.
func (w *idleTimeoutWriter) Write(p []byte) (int, error) {
	if w.buffered += len(p); w.buffered <= serverBuffer {
		return w.ResponseWriter.Write(p)
	}
	defer w.start().Stop()
	return w.ResponseWriter.Write(p)
}

// end sends the rest of an answer of which the client has to take some.
func (w *idleTimeoutWriter) end() {
	if w.timer != nil {
		_ = w.FlushError()
	}
}

// FlushError is called by an [http.ResponseController] to flush.
func (w *idleTimeoutWriter) FlushError() error {
	defer w.start().Stop()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *idleTimeoutWriter) start() *time.Timer {
	if w.timer == nil {
		control := http.NewResponseController(w.ResponseWriter)
		w.timer = time.AfterFunc(w.timeout, func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) })
	} else {
		w.timer.Reset(w.timeout)
	}
	return w.timer
}

// Unwrap lets an [http.ResponseController] reach the writer below.
func (w *idleTimeoutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
