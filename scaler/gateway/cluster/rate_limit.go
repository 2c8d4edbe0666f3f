package cluster

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// RateLimit is this gateway's share of an app's rate limit. The share follows the
// arrivals here and at the other gateways.
type RateLimit struct {
	limiter atomic.Pointer[rate.Limiter]
	// arrived counts the requests since the last call of CountArrivals.
	arrived atomic.Int64

	// mu guards what follows.
	mu sync.Mutex
	// share is this gateway's part, from 0 to 1, and arrivals are its requests per
	// second, let in or not.
	share, arrivals float64
}

// NewRateLimit returns a limit of which this gateway has a share, from 0 to 1, until
// it knows of the arrivals at the others.
func NewRateLimit(share float64) *RateLimit { return &RateLimit{share: share} }

// Admit lets a request in, or refuses it when there are more than the limit. The
// error is an [*api.Refusal].
func (l *RateLimit) Admit(p *scaler.Policy, now time.Time) error {
	limiter := l.limiter.Load()
	if limiter == nil {
		return nil
	}
	l.arrived.Add(1)
	reservation := limiter.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	reservation.CancelAt(now)
	return &api.Refusal{
		Cause: api.CauseRateLimit, RetryAfter: api.RetryAfter(delay),
		Message: fmt.Sprintf("more than %g requests a second", p.RateLimit),
	}
}

// Configure takes over a policy's limit.
func (l *RateLimit) Configure(p *scaler.Policy, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limiter.Store(limiterFor(p, l.limiter.Load(), l.share, now))
}

// Divide takes over the arrivals at the other gateways, in requests per
// second.
func (l *RateLimit) Divide(p *scaler.Policy, others []float64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share = RateShare(l.arrivals, others)
	l.limiter.Store(limiterFor(p, l.limiter.Load(), l.share, now))
}

// CountArrivals takes the requests since the last call into the rate of arrivals.
// The last interval counts for half of it.
func (l *RateLimit) CountArrivals(since time.Duration) {
	n := float64(l.arrived.Swap(0))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = (l.arrivals + n/max(since, time.Millisecond).Seconds()) / 2
	// What is left of a rush is none.
	if l.arrivals < .01 {
		l.arrivals = 0
	}
}

// Arrivals is the requests per second here, let in or not.
func (l *RateLimit) Arrivals() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrivals
}

// limiterFor returns the limiter for a share of a policy's limit; nil without a
// limit. One that was there keeps the tokens it has.
func limiterFor(p *scaler.Policy, was *rate.Limiter, share float64, now time.Time) *rate.Limiter {
	limit, burst := rate.Limit(p.RateLimit*share), max(1, int(math.Round(float64(p.RateLimitBurst)*share)))
	switch {
	case p.RateLimit == 0:
		return nil
	case was == nil:
		return rate.NewLimiter(limit, burst)
	default:
		was.SetLimitAt(now, limit)
		was.SetBurstAt(now, burst)
		return was
	}
}
