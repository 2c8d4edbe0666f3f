package proxy

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Attempt is what [Proxy.Forward] needs to know to send a request to an instance.
type Attempt struct {
	// Instance is the instance's ID, and Address where it serves.
	Instance, Address string
	// Prefix is what the app is mounted at, without a slash at its end. The request's
	// path begins with it; the instance sees the rest.
	Prefix string
	// Body is the request's body across its attempts; nil without one.
	Body *Body
	// Deadline is when the request is cancelled; zero for never. Timeout is what the
	// message quotes then.
	Deadline time.Time
	Timeout  time.Duration
	// Resend is how many attempts there were before this one.
	Resend int
	// OnHead is called when the head of the answer has come, before it is written to
	// the client; nil for nothing.
	OnHead func(status int, at time.Time)
}

var (
	// errRequestTimeout is why a request is cancelled at its deadline.
	errRequestTimeout = errors.New("request_timeout is over")
	errClientLeft     = errors.New("the client has left")
)

// attemptState is what an attempt has done so far. The hooks of ReverseProxy and of
// net/http's transport write it.
//
// The transport sends a request again by itself, to the same instance, when a
// connection that was used before breaks and the request is idempotent and has no
// body. All of that is one attempt.
type attemptState struct {
	Attempt
	now   func() time.Time
	trace httptrace.ClientTrace
	// sent is set when the whole head of the request was written, and answered when
	// the first byte of an answer came.
	sent, answered atomic.Bool
	// timer cancels the request at the deadline; nil without one.
	timer *time.Timer
	// failure is why the instance gave no answer; nil when it gave one.
	failure error
	result  api.AttemptResult
}

func newAttemptState(a Attempt, now func() time.Time) *attemptState {
	s := &attemptState{Attempt: a, now: now, result: api.AttemptResult{Sent: now()}}
	// WroteHeaders is called when all of the head was written. Less is no request.
	s.trace.WroteHeaders = func() { s.sent.Store(true) }
	s.trace.GotFirstResponseByte = func() { s.answered.Store(true) }
	return s
}

// stateKey is the key of the attempt's state in the context of its request.
type stateKey struct{}

func stateOf(r *http.Request) *attemptState {
	s, _ := r.Context().Value(stateKey{}).(*attemptState)
	return s
}

// noteHead records that the head of an answer has come.
func noteHead(response *http.Response) error {
	s := stateOf(response.Request)
	s.result.Status, s.result.Headed = response.StatusCode, s.now()
	if s.timer != nil && endless(response) {
		s.timer.Stop()
	}
	if s.OnHead != nil {
		s.OnHead(s.result.Status, s.result.Headed)
	}
	return nil
}

// noteFailure records why there is no answer.
func noteFailure(_ http.ResponseWriter, r *http.Request, err error) { stateOf(r).failure = err }

// endless reports whether an answer goes on until one side ends it.
func endless(response *http.Response) bool {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind := response.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "text/event-stream") {
		return false
	}
	kind, _, _ = mime.ParseMediaType(kind)
	return kind == "text/event-stream"
}

// classify completes the result of an attempt that has ended. The context is that of
// its request.
func (s *attemptState) classify(ctx context.Context) {
	r := &s.result
	switch {
	case !r.Headed.IsZero():
		r.Phase = api.PhaseAnswered
	case !s.sent.Load():
		r.Phase = api.PhaseNotSent
	case s.answered.Load():
		r.Phase = api.PhaseBroken
	default:
		r.Phase = api.PhaseSent
	}
	if s.failure == nil {
		return
	}
	cancelled, body := context.Cause(ctx), s.Body.clientError()
	switch {
	case errors.Is(cancelled, errRequestTimeout):
		r.Cause, r.Err = api.CauseRequestTimeout, fmt.Errorf("no answer within %s", s.Timeout)
	case cancelled != nil:
		r.Cause, r.Err = api.CauseClientLeft, errClientLeft
	case body != nil:
		r.Cause, r.Err = api.CauseBadRequest, fmt.Errorf("the body of the request cannot be read: %w", body)
	case r.Phase == api.PhaseNotSent:
		r.Cause, r.Err = api.CauseUnreachable, fmt.Errorf("instances do not accept connections: %w", s.failure)
		r.Refused = refusedDial(s.failure)
	case r.Phase == api.PhaseSent:
		r.Cause, r.Err = api.CauseBadAnswer, fmt.Errorf("the instance broke off before it answered: %w", s.failure)
		// The transport may have tried to connect again.
		r.Refused = refusedDial(s.failure)
	default:
		r.Cause, r.Err = api.CauseBadAnswer, fmt.Errorf("the instance's answer cannot be read: %w", s.failure)
	}
}

// refusedDial reports whether an instance cannot be connected to. That the gateway has
// no more files or ports is not the instance's fault.
func refusedDial(err error) bool {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return false
	}
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, own) {
			return false
		}
	}
	return true
}
