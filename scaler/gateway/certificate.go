package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files are looked at, at most.
const certificateCheck = time.Second

// certificate is what the gateway proves itself with: a pair of files that may
// change while it runs. A pair that cannot be used leaves the last one in force.
type certificate struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	checked time.Time
	// seen are the files as they were when the pair was read.
	seen [2]fileVersion
}

// fileVersion tells one content of a file from the next; zero without a file.
type fileVersion struct {
	modified time.Time
	size     int64
}

func readCertificate(cert, key string, now func() time.Time, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, now: now, log: log, checked: now()}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// get is for [tls.Config]'s GetCertificate. It looks at the files when a
// connection comes, so that nothing runs while none does.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if err := c.reload(); err != nil {
			c.log.Error("the certificate has changed and cannot be used; the last good one stays in force", "error", err)
		}
	}
	return c.pair, nil
}

// reload reads the files if they have changed since it was tried last.
func (c *certificate) reload() error {
	var now [2]fileVersion
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			now[i] = fileVersion{info.ModTime(), info.Size()}
		}
	}
	if now == c.seen && c.pair != nil {
		return nil
	}
	c.seen = now
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("reading the certificate %s and its key %s: %w", c.cert, c.key, err)
	}
	if c.pair != nil {
		c.log.Info("the certificate is renewed", "until", pair.Leaf.NotAfter)
	}
	c.pair = &pair
	return nil
}
