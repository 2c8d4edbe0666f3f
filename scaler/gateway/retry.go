package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// maxTries is how many instances a request is offered to before it fails.
	maxTries = 5
	// maxReplays is how often one is sent again that an instance may have had: a
	// request that kills the instance it is sent to must not kill them all.
	maxReplays = 1
	// maxKept bounds the bodies that are kept to be sent again.
	maxKept = 64 << 10
)

// notSent is an error of forward before an instance had the request, so that any
// other can have it.
type notSent struct{ error }

// unanswered is an error of forward after an instance may have had the request
// and before any byte of an answer.
type unanswered struct{ error }

// attempt is what is known of a request that was sent, before its answer. Of a
// request without a body that is idempotent, net/http's transport makes a second
// attempt by itself when a connection breaks that has been used before, at the
// same instance; all of that is one attempt here.
type attempt struct {
	sent, answered atomic.Bool
	trace          httptrace.ClientTrace
}

// newAttempt returns an attempt that the transport tells how far it has come. A
// head of which not all is written is no request yet.
func newAttempt() *attempt {
	a := new(attempt)
	a.trace.WroteHeaders = func() { a.sent.Store(true) }
	a.trace.GotFirstResponseByte = func() { a.answered.Store(true) }
	return a
}

// idempotent tells whether a request means the same when it is sent twice (RFC
// 9110, section 9.2.2). The header is the client's word for it.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// again tells whether a request that failed at an instance is to be sent to
// another. If it is not, the error is the answer.
func (c *call) again(r *http.Request, err error) (bool, error) {
	if err == nil {
		return false, nil
	}
	var unsent notSent
	var broken unanswered
	reason, last := "", (*api.Refusal)(nil)
	switch {
	case errors.As(err, &unsent):
		reason = "not_sent"
		last = &api.Refusal{Cause: api.CauseUnreachable, Message: "instances do not accept connections: " + unsent.Error()}
	case errors.As(err, &broken):
		reason = "idempotent"
		last = &api.Refusal{Cause: api.CauseBadAnswer, Message: "the instance broke off before it answered: " + broken.Error()}
		if c.replayed == maxReplays || !idempotent(r) || !c.upload.replayable() {
			return false, last
		}
		c.replayed++
	default:
		return false, err
	}
	if c.tried++; c.tried == maxTries {
		return false, last
	}
	c.failedAt = c.place.id()
	c.app.gateway.metrics.retries.WithLabelValues(c.app.name, reason).Inc()
	return true, nil
}

// upload is the body of a request. It tells the client's errors from those of an
// instance, and keeps what it has read of a small one that may be sent again.
type upload struct {
	from io.ReadCloser
	keep bool

	// mu is held while the client is waited for.
	mu   sync.Mutex
	kept []byte
	// err is what the client's body ended with.
	err atomic.Pointer[error]
}

// newUpload returns the body of a request; nil when there is none.
func newUpload(r *http.Request) *upload {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	return &upload{from: r.Body, keep: r.ContentLength > 0 && r.ContentLength <= maxKept && idempotent(r)}
}

// replayable tells whether all of the body can be sent again.
func (u *upload) replayable() bool { return u == nil || u.keep }

// failed is why the client's body could not be read; nil when it could.
func (u *upload) failed() error {
	if u == nil {
		return nil
	}
	if err := u.err.Load(); err != nil && *err != io.EOF { //nolint:errorlint // as readers return it
		return *err
	}
	return nil
}

// reader reads the body from its beginning, if it is kept. An earlier reader may
// still be waiting for the client.
func (u *upload) reader() io.ReadCloser { return &uploadReader{upload: u} }

type uploadReader struct {
	*upload
	read int
}

func (r *uploadReader) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read < len(r.kept) {
		n = copy(p, r.kept[r.read:])
		r.read += n
		return n, nil
	}
	if err := r.err.Load(); err != nil {
		return 0, *err
	}
	n, err = r.from.Read(p)
	if err != nil {
		r.err.Store(&err)
	}
	if r.keep {
		r.kept = append(r.kept, p[:n]...)
		r.read += n
	}
	return n, err
}

func (r *uploadReader) Close() error { return r.from.Close() }
