package instances

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Outlier ejection takes an instance out of rotation. One that does not accept
// connections is ejected at once, and one that breaks off or gives no answer in time
// after ejectAfter requests in a row. From then on each further failure ejects it for
// longer, until it answers a request. An app's own errors are answers.
const (
	ejectAfter = 3
	ejectFirst = time.Second
	ejectLast  = time.Minute
)

// outlier counts the requests in a row that an instance has failed.
type outlier struct{ failures int }

// record takes over the result of an attempt, and reports whether the instance is to
// be ejected. The last one that is ready is ejected only when it accepts no
// connections: without another one, requests are better off with an instance that
// answers some.
func (o *outlier) record(r api.AttemptResult, anotherReady func() bool) (eject bool) {
	switch {
	case r.Phase == api.PhaseAnswered:
		o.failures = 0
		return false
	case !r.Failed():
		return false
	}
	o.failures++
	return r.Refused || o.failures >= ejectAfter && anotherReady()
}

// backoff is how long the instance is out before it is probed again. For the first
// failures an open port is reason enough to trust it again.
func (o *outlier) backoff() time.Duration {
	n := o.failures - ejectAfter
	if n < 0 {
		return 0
	}
	return min(ejectFirst<<min(n, 10), ejectLast)
}
