package proxy

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// maxKept bounds the bodies that are kept to be sent again.
const maxKept = 64 << 10

// Body is the body of a request across its attempts. It separates the client's errors
// from those of an instance, and keeps what was read of a small body that may be sent
// again.
type Body struct {
	from io.ReadCloser
	keep bool

	// mu is held while the client is waited for.
	mu   sync.Mutex
	kept []byte
	// err is what the client's body ended with.
	err atomic.Pointer[error]
}

// NewBody returns the body of a request; nil when there is none.
func NewBody(r *http.Request) *Body {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	return &Body{from: r.Body, keep: r.ContentLength > 0 && r.ContentLength <= maxKept && idempotent(r)}
}

// replayable reports whether all of the body can be sent again.
func (b *Body) replayable() bool { return b == nil || b.keep }

// clientError is why the client's body could not be read; nil when it could.
func (b *Body) clientError() error {
	if b == nil {
		return nil
	}
	if err := b.err.Load(); err != nil && *err != io.EOF { //nolint:errorlint // as readers return it
		return *err
	}
	return nil
}

// reader reads the body from its beginning, if it is kept. The reader of an earlier
// attempt may still be waiting for the client.
func (b *Body) reader() io.ReadCloser { return &bodyReader{Body: b} }

type bodyReader struct {
	*Body
	read int
}

// Read reads what is kept of the body first, and then from the client.
func (r *bodyReader) Read(p []byte) (n int, err error) {
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

// Close closes the client's body.
func (r *bodyReader) Close() error { return r.from.Close() }
