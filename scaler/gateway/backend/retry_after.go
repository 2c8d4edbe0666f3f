package backend

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// startTime is how long the instances of an app take to start, learned from the last
// ones. It decides when a refused client should try again: the header Retry-After.
type startTime struct{ average time.Duration }

// learn takes the duration of one start into the average, for a third of it.
func (s *startTime) learn(took time.Duration) {
	if s.average == 0 {
		s.average = took
	}
	s.average = (2*s.average + took) / 3
}

// unknownStart stands in for the duration of a start until one is known.
const unknownStart = 5 * time.Second

// expected is how long a start may take.
func (s *startTime) expected(p *scaler.Policy) time.Duration {
	if s.average == 0 {
		return min(unknownStart, p.StartTimeout)
	}
	return s.average
}

// retryAfter is when an instance may have started, in seconds.
func (s *startTime) retryAfter(p *scaler.Policy) int { return api.RetryAfter(s.expected(p)) }
