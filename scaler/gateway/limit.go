package gateway

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// limit lets in rate_limit requests a second, and rate_limit_burst at once, and
// none whose body is known to be too large.
func (g *Gateway) limit(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		if most := g.config.MaxBodyBytes; most > 0 && r.ContentLength > most {
			return bodyTooLarge(most)
		}
		if limiter := c.app.limiter.Load(); limiter != nil {
			c.app.arrived.Add(1)
			turn := limiter.ReserveN(c.arrived, 1)
			if delay := turn.DelayFrom(c.arrived); delay > 0 {
				turn.CancelAt(c.arrived)
				return &api.Refusal{
					Cause: api.CauseRateLimit, RetryAfter: seconds(delay),
					Message: fmt.Sprintf("more than %g requests a second", c.policy.RateLimit),
				}
			}
		}
		return next(w, r, c)
	}
}

// limiterFor returns the limiter for a gateway's share of a policy's limit; nil
// when there is no limit. One that was there keeps the tokens it has.
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
