package gateway

import (
	"net/http"
	"sync"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// What a held request costs besides its header: goroutine and buffers. Its body
// is not read while it is held; but what arrives of it by HTTP/2 is buffered, as
// far as the flow control lets it.
const (
	heldOverhead = 16 << 10
	streamBuffer = 256 << 10
)

// heldCost is about what memory a request takes while it is held, in bytes.
func heldCost(r *http.Request) int64 {
	cost := heldOverhead + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			cost += len(name) + len(value)
		}
	}
	if r.ProtoMajor == 2 && r.ContentLength >= 0 {
		return int64(cost) + min(r.ContentLength, streamBuffer)
	}
	if r.ProtoMajor == 2 {
		cost += streamBuffer
	}
	return int64(cost)
}

// holding is what is held, in requests and bytes.
type holding struct{ requests, bytes int64 }

// holdings bounds what is held of all apps together. When it is full, room goes
// to the apps that hold least.
type holdings struct {
	limit holding

	mu    sync.Mutex
	total holding
	of    map[*app]holding
}

func newHoldings(limit holding) *holdings {
	return &holdings{limit: limit, of: make(map[*app]holding)}
}

// add changes what an app holds. The caller holds the mutex.
func (s *holdings) add(a *app, requests, bytes int64) {
	s.total.requests += requests
	s.total.bytes += bytes
	h := s.of[a]
	h.requests += requests
	h.bytes += bytes
	if s.of[a] = h; h.requests == 0 {
		delete(s.of, a)
	}
}

// take lets an app hold a request if there is room.
func (s *holdings) take(a *app, bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total.requests+1 > s.limit.requests || s.total.bytes+bytes > s.limit.bytes {
		return false
	}
	s.add(a, 1, bytes)
	return true
}

// give returns the room of a request.
func (s *holdings) give(a *app, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(a, -1, -bytes)
}

// share is the part of the limit that is held, of whichever runs out first.
func (s *holdings) share(h holding) float64 {
	return max(float64(h.requests)/float64(s.limit.requests), float64(h.bytes)/float64(s.limit.bytes))
}

// largest is the app that holds most, if that is more than another one would
// with its request.
func (s *holdings) largest(a *app, bytes int64) (most *app) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.of[a]
	above := s.share(holding{h.requests + 1, h.bytes + bytes})
	for other, h := range s.of {
		if share := s.share(h); other != a && share > above {
			most, above = other, share
		}
	}
	return most
}

// makeRoom is take for when there is no room: the app that holds most gives up
// the requests that came last, unless this one holds as much.
func (s *holdings) makeRoom(a *app, bytes int64) bool {
	for !s.take(a, bytes) {
		if most := s.largest(a, bytes); most == nil || !most.shed() {
			return false
		}
	}
	return true
}

// shed refuses the request that came last, if any waits.
func (a *app) shed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.queue.last
	if t == nil {
		return false
	}
	a.dequeue(t)
	t.granted <- grant{err: a.gatewayFull()}
	return true
}

// gatewayFull is what a request is told that there is no room for. The caller
// holds the mutex.
func (a *app) gatewayFull() *api.Refusal {
	return &api.Refusal{
		Cause: api.CauseGatewayFull, RetryAfter: a.retryAfter(a.policy.Load()),
		Message: "the gateway holds as many requests as it may",
	}
}
