package api

import "time"

// Phase is how far an attempt to send a request to an instance came.
type Phase int

// The phases.
const (
	// PhaseNotSent means that the instance has had no whole head of the request.
	PhaseNotSent Phase = iota
	// PhaseSent means that the instance may have had the request, and that no byte
	// of an answer came.
	PhaseSent
	// PhaseBroken means that an answer began, and that its head could not be read.
	PhaseBroken
	// PhaseAnswered means that the head of an answer came.
	PhaseAnswered
)

// AttemptResult is what one attempt to send a request to an instance did. Retry,
// outlier ejection, metrics and tracing read it.
type AttemptResult struct {
	Phase Phase
	// Sent is when the attempt began, and Headed when the head of the answer came;
	// zero without an answer.
	Sent, Headed time.Time
	// Status is the answer's; 0 without an answer.
	Status int
	// Cause is why nothing of an answer was passed on, in a word, and Err in full; ""
	// and nil when it was. The cause is one of CauseUnreachable, CauseBadAnswer,
	// CauseRequestTimeout, CauseBadRequest and CauseClientLeft; the last two are the
	// client's. With PhaseAnswered there is a cause only when the connection could not
	// be upgraded.
	Cause Cause
	Err   error
	// Refused reports that the instance did not accept the connection.
	Refused bool
	// Aborted reports that the answer broke off after its head. The client's
	// connection has to be aborted, because the answer would look complete otherwise.
	Aborted bool
}

// Failed reports whether the attempt speaks against the instance: it did not
// accept the connection, broke off, or gave no answer in time. What the client or
// the gateway itself did is not held against it, nor is what follows the head of an
// answer.
func (r AttemptResult) Failed() bool {
	switch {
	case r.Phase == PhaseAnswered:
		return false
	case r.Cause == CauseUnreachable:
		return r.Refused
	default:
		return r.Cause == CauseBadAnswer || r.Cause == CauseRequestTimeout
	}
}

// Refusal is what the client is answered when no other attempt follows; nil when
// it has had an answer.
func (r AttemptResult) Refusal() *Refusal {
	if r.Cause == "" {
		return nil
	}
	return &Refusal{Cause: r.Cause, Message: r.Err.Error()}
}
