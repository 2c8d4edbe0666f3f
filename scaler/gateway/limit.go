package gateway

import (
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// limit lets in rate_limit requests a second, and rate_limit_burst at once, and
// none whose body is known to be too large.
func (g *Gateway) limit(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		if most := g.config.MaxBodyBytes; most > 0 && r.ContentLength > most {
			return bodyTooLarge(most)
		}
		if limiter := c.app.limiter.Load(); limiter != nil {
			turn := limiter.ReserveN(c.arrived, 1)
			if delay := turn.DelayFrom(c.arrived); delay > 0 {
				turn.CancelAt(c.arrived)
				return &Refusal{
					Status: http.StatusTooManyRequests, Cause: CauseRateLimit, RetryAfter: seconds(delay),
					Message: fmt.Sprintf("more than %g requests a second", float64(limiter.Limit())),
				}
			}
		}
		return next(w, r, c)
	}
}

// limiterFor returns the limiter of a policy; nil when there is no limit. One
// that was there keeps the tokens it has.
func limiterFor(p *scaler.Policy, was *rate.Limiter, now time.Time) *rate.Limiter {
	switch {
	case p.RateLimit == 0:
		return nil
	case was == nil:
		return rate.NewLimiter(rate.Limit(p.RateLimit), p.RateLimitBurst)
	default:
		was.SetLimitAt(now, rate.Limit(p.RateLimit))
		was.SetBurstAt(now, p.RateLimitBurst)
		return was
	}
}
