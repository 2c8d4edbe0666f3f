package api

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Cause says in a word why the gateway answered a request itself. Each goes with
// one HTTP status.
type Cause string

// The causes.
const (
	CauseStarting         Cause = "gateway_starting"  // the gateway does not know the apps yet
	CauseBadRequest       Cause = "bad_request"       // the body of the request cannot be read
	CauseNoApp            Cause = "no_app"            // no app is mounted there
	CausePolicyInvalid    Cause = "policy_invalid"    // the app has no valid policy
	CauseRateLimit        Cause = "rate_limit"        // more requests than rate_limit
	CauseQueueFull        Cause = "queue_full"        // max_queued_requests wait already
	CauseGatewayFull      Cause = "gateway_full"      // the gateway holds as many requests as it may
	CauseStartTimeout     Cause = "start_timeout"     // no instance was free within start_timeout
	CauseNotStarted       Cause = "not_started"       // no instance runs, and none will be started
	CauseStartFailed      Cause = "start_failed"      // Nomad cannot place an instance, or those it starts fail
	CauseNomadUnreachable Cause = "nomad_unreachable" // no instance runs, and Nomad cannot be asked for one
	CauseSeveralInstances Cause = "several_instances" // service_selection_mode is exact
	CauseUnreachable      Cause = "unreachable"       // instances do not accept connections
	CauseBadAnswer        Cause = "bad_answer"        // the instance broke off before it answered
	CauseRequestTimeout   Cause = "request_timeout"   // no answer within request_timeout
	CauseClientLeft       Cause = "client_left"       // the client has left, and gets no answer
	CauseBodyTooLarge     Cause = "body_too_large"    // more body than --max-body-bytes
	CauseSlowClient       Cause = "slow_client"       // nothing more of the body came within --client-timeout
	CauseInternal         Cause = "internal"          // a fault of the gateway
)

// StatusClientLeft is what logs and metrics show for a client that did not wait.
const StatusClientLeft = 499

var statuses = map[Cause]int{
	CauseStarting:         http.StatusServiceUnavailable,
	CauseBadRequest:       http.StatusBadRequest,
	CauseNoApp:            http.StatusNotFound,
	CausePolicyInvalid:    http.StatusServiceUnavailable,
	CauseRateLimit:        http.StatusTooManyRequests,
	CauseQueueFull:        http.StatusTooManyRequests,
	CauseGatewayFull:      http.StatusServiceUnavailable,
	CauseStartTimeout:     http.StatusServiceUnavailable,
	CauseNotStarted:       http.StatusServiceUnavailable,
	CauseStartFailed:      http.StatusServiceUnavailable,
	CauseNomadUnreachable: http.StatusServiceUnavailable,
	CauseSeveralInstances: http.StatusConflict,
	CauseUnreachable:      http.StatusBadGateway,
	CauseBadAnswer:        http.StatusBadGateway,
	CauseRequestTimeout:   http.StatusGatewayTimeout,
	CauseClientLeft:       StatusClientLeft,
	CauseBodyTooLarge:     http.StatusRequestEntityTooLarge,
	CauseSlowClient:       http.StatusRequestTimeout,
	CauseInternal:         http.StatusInternalServerError,
}

// Status is the HTTP status of a cause.
func (c Cause) Status() int { return statuses[c] }

// Refusal is what the gateway answers when it answers a request itself, in
// JSON. The status is that of the cause.
type Refusal struct {
	// Cause is for programs.
	Cause Cause `json:"error"`
	// Message is for people.
	Message string `json:"message"`
	// App is there once it is known.
	App scaler.AppID `json:"app,omitzero"`
	// RetryAfter is when another try makes sense, in seconds; also in the header
	// Retry-After.
	RetryAfter int `json:"retry_after,omitempty"`
	// Instances are those that the request could have meant, with
	// [CauseSeveralInstances].
	Instances []InstanceRef `json:"instances,omitempty"`
}

// Error names the cause and the message.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Cause, r.Message) }

// RetryAfter is a duration as [Refusal.RetryAfter] has it: whole seconds, rounded up,
// at least 1.
func RetryAfter(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }
