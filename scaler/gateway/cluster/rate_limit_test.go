package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// admitted is how many of some requests a limit lets in at a moment.
func admitted(l *cluster.RateLimit, p *scaler.Policy, requests int, now time.Time) (n int) {
	for range requests {
		if l.Admit(p, now) == nil {
			n++
		}
	}
	return n
}

func TestRateLimit(t *testing.T) {
	p, now := &scaler.Policy{RateLimit: .5, RateLimitBurst: 3}, time.Unix(1e9, 0)
	l := cluster.NewRateLimit(1)
	l.Configure(p, now)
	if n := admitted(l, p, 3, now); n != 3 {
		t.Fatalf("within the burst %d were let in, want 3", n)
	}
	for range 10 {
		var got *api.Refusal
		if !errors.As(l.Admit(p, now), &got) || got.Cause.Status() != 429 || got.Cause != api.CauseRateLimit || got.RetryAfter != 2 {
			t.Fatalf("beyond the burst: got %+v, want 429 and to retry after 2", got)
		}
	}
	now = now.Add(2 * time.Second)
	if err := l.Admit(p, now); err != nil {
		t.Errorf("after the time that Retry-After said: %v", err)
	}
	if l.Admit(p, now) == nil {
		t.Error("two requests were let in for one token")
	}
	unlimited := new(scaler.Policy)
	l.Configure(unlimited, now)
	if n := admitted(l, unlimited, 100, now); n != 100 {
		t.Errorf("without a limit %d of 100 were let in", n)
	}
}

// A limit that changes keeps the tokens that it has, as far as the new burst goes.
func TestRateLimitChanges(t *testing.T) {
	p, now := &scaler.Policy{RateLimit: 10, RateLimitBurst: 100}, time.Unix(1e9, 0)
	l := cluster.NewRateLimit(1)
	l.Configure(p, now)
	if n := admitted(l, p, 60, now); n != 60 {
		t.Fatalf("%d were let in, want 60", n)
	}
	p = &scaler.Policy{RateLimit: 20, RateLimitBurst: 100}
	l.Configure(p, now)
	if n := admitted(l, p, 200, now); n != 40 {
		t.Errorf("after the change %d were let in, want the 40 that were left", n)
	}
	now = now.Add(time.Second)
	if n := admitted(l, p, 200, now); n != 20 {
		t.Errorf("a second later %d were let in, want 20", n)
	}
	now = now.Add(time.Minute)
	p = &scaler.Policy{RateLimit: 20, RateLimitBurst: 7}
	l.Configure(p, now)
	if n := admitted(l, p, 200, now); n != 7 {
		t.Errorf("with a smaller burst %d were let in, want 7", n)
	}
}

// A gateway lets in its share: that of the beginning, and then the one by arrivals.
func TestRateLimitIsDivided(t *testing.T) {
	p, now := &scaler.Policy{RateLimit: 100, RateLimitBurst: 100}, time.Unix(1e9, 0)
	l := cluster.NewRateLimit(.5)
	l.Configure(p, now)
	if n := admitted(l, p, 300, now); n != 50 {
		t.Errorf("with half of the limit %d were let in, want 50", n)
	}
	l.CountArrivals(time.Second)
	if got := l.Arrivals(); got != 150 {
		t.Errorf("of 300 requests in a second %v count, want half", got)
	}
	for _, test := range []struct {
		others []float64
		want   int
	}{{[]float64{450}, 25}, {[]float64{50}, 75}, {nil, 100}} {
		l.Divide(p, test.others, now)
		now = now.Add(time.Minute)
		if n := admitted(l, p, 300, now); n != test.want {
			t.Errorf("with %v requests a second elsewhere %d were let in, want %d", test.others, n, test.want)
		}
	}
	l.CountArrivals(time.Hour)
	for range 20 {
		l.CountArrivals(time.Second)
	}
	if got := l.Arrivals(); got != 0 {
		t.Errorf("long after the last request %v arrivals count, want none", got)
	}
}
