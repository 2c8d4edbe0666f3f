package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
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
	CauseNotStarted       Cause = "not_started"       // 503: no instance runs, and none is going to
	CauseStartFailed      Cause = "start_failed"      // 503: Nomad cannot place an instance, or those it starts fail
	CauseNomadUnreachable Cause = "nomad_unreachable" // 503: no instance runs, and Nomad cannot be asked for one
	CauseSeveralInstances Cause = "several_instances" // 409: service_selection_mode is exact
	CauseUnreachable      Cause = "unreachable"       // 502: instances do not accept connections
	CauseBadAnswer        Cause = "bad_answer"        // 502: the instance broke off before it answered
	CauseRequestTimeout   Cause = "request_timeout"   // 504: no answer within request_timeout
	CauseClientLeft       Cause = "client_left"       // 499: nobody is there to be answered
	CauseBodyTooLarge     Cause = "body_too_large"    // 413: more body than --max-body-bytes
	CauseSlowClient       Cause = "slow_client"       // 408: nothing more of the body came within --client-timeout
	CauseInternal         Cause = "internal"          // 500: a mistake of the gateway's
)

// Refusal is what the gateway answers when it answers itself: the JSON body and
// the status.
type Refusal struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// Cause is for programs.
	Cause Cause `json:"error"`
	// Message is for people.
	Message string `json:"message"`
	// App is <namespace>/<job>/<group>, once it is known.
	App string `json:"app,omitempty"`
	// RetryAfter is when another try makes sense, in seconds; also in the header
	// Retry-After.
	RetryAfter int `json:"retry_after,omitempty"`
	// Instances are those that the request could have meant, with CauseSeveralInstances.
	Instances []InstanceRef `json:"instances,omitempty"`
}

// InstanceRef names an instance.
type InstanceRef struct {
	// ID is the allocation's.
	ID string `json:"id"`
	// Index is the allocation's index in its group.
	Index int `json:"index"`
	// Address is where it serves.
	Address string `json:"address"`
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Cause, r.Message) }

// statusClientLeft is what logs and metrics show for a client that did not wait.
const statusClientLeft = 499

var clientLeft = &Refusal{Status: statusClientLeft, Cause: CauseClientLeft, Message: "the client has left"}

// write answers a request with the refusal, as JSON or as a page.
func (r Refusal) write(w http.ResponseWriter, to *http.Request) {
	body, kind := []byte(nil), "application/json"
	var err error
	if wantsPage(to, r) {
		kind = "text/html; charset=utf-8"
		body, err = r.page()
	} else {
		body, err = json.Marshal(r)
	}
	if err != nil {
		http.Error(w, r.Message, r.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
		// The same place answers a browser otherwise.
		h.Set("Vary", "Accept")
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(append(body, '\n'))
}

// asRefusal is the answer that an error of the chain asks for, to be changed.
func asRefusal(err error) Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return *refusal
	}
	return Refusal{Status: http.StatusInternalServerError, Cause: CauseInternal, Message: err.Error()}
}

// seconds rounds up to at least 1, as Retry-After wants it.
func seconds(d time.Duration) int { return int(math.Max(1, math.Ceil(d.Seconds()))) }
