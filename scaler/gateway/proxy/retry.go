package proxy

import (
	"net/http"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// maxTries is how many attempts a request has.
	maxTries = 5
	// maxReplays is how often a request is sent again that an instance may have had: a
	// request that kills the instance it is sent to must not kill them all.
	maxReplays = 1
)

// The reasons why a request is sent again.
const (
	// reasonNotSent means that the instance has not had the request, so that any other
	// can have it.
	reasonNotSent = "not_sent"
	// reasonIdempotent means that the instance may have had the request, and that the
	// request means the same when it is sent twice.
	reasonIdempotent = "idempotent"
)

// Retries counts the attempts of a request. Its zero value is that of a new one.
type Retries struct {
	// tried counts the attempts that another one follows, and replayed those of them
	// whose instance may have had the request.
	tried, replayed int
}

// Tried is how many attempts there were before the current one.
func (n *Retries) Tried() int { return n.tried }

// Next reports whether another attempt is to follow one with that result, and why:
// not_sent or idempotent.
func (n *Retries) Next(result api.AttemptResult, r *http.Request, body *Body) (again bool, reason string) {
	switch reason = retryReason(result); reason {
	case "":
		return false, ""
	case reasonIdempotent:
		if n.replayed == maxReplays || !idempotent(r) || !body.replayable() {
			return false, ""
		}
		n.replayed++
	}
	if n.tried++; n.tried == maxTries {
		return false, ""
	}
	return true, reason
}

// retryReason is why a request may be sent again after an attempt with that result; ""
// when it must not.
func retryReason(result api.AttemptResult) string {
	switch {
	case result.Phase == api.PhaseNotSent && result.Cause == api.CauseUnreachable:
		return reasonNotSent
	case result.Phase == api.PhaseSent && result.Cause == api.CauseBadAnswer:
		return reasonIdempotent
	default:
		return ""
	}
}

// idempotent reports whether a request means the same when it is sent twice (RFC 9110,
// section 9.2.2). With the header, the client says so itself.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}
