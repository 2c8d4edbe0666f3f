package api

import (
	"fmt"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Cause says in a word why the gateway answered a request itself.
type Cause string

// The causes.
const (
	CauseStarting         Cause = "gateway_starting"  // 503: the gateway does not know the apps yet
	CauseBadRequest       Cause = "bad_request"       // 400: the body of the request cannot be read
	CauseNoApp            Cause = "no_app"            // 404: no app is mounted there
	CausePolicyInvalid    Cause = "policy_invalid"    // 503: the app has no valid policy
	CauseRateLimit        Cause = "rate_limit"        // 429: more requests than rate_limit
	CauseQueueFull        Cause = "queue_full"        // 429: max_queued_requests wait already
	CauseGatewayFull      Cause = "gateway_full"      // 503: the gateway holds as many requests as it may
	CauseStartTimeout     Cause = "start_timeout"     // 503: no instance was free within start_timeout
	CauseNotStarted       Cause = "not_started"       // 503: no instance runs, and none will be started
	CauseStartFailed      Cause = "start_failed"      // 503: Nomad cannot place an instance, or those it starts fail
	CauseNomadUnreachable Cause = "nomad_unreachable" // 503: no instance runs, and Nomad cannot be asked for one
	CauseSeveralInstances Cause = "several_instances" // 409: service_selection_mode is exact
	CauseUnreachable      Cause = "unreachable"       // 502: instances do not accept connections
	CauseBadAnswer        Cause = "bad_answer"        // 502: the instance broke off before it answered
	CauseRequestTimeout   Cause = "request_timeout"   // 504: no answer within request_timeout
	CauseClientLeft       Cause = "client_left"       // 499: the client has left
	CauseBodyTooLarge     Cause = "body_too_large"    // 413: more body than --max-body-bytes
	CauseSlowClient       Cause = "slow_client"       // 408: nothing more of the body came within --client-timeout
	CauseInternal         Cause = "internal"          // 500: a fault of the gateway
)

// Refusal is what the gateway answers when it answers a request itself: the
// status and the JSON body.
type Refusal struct {
	// Status is the HTTP status.
	Status int `json:"-"`
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
