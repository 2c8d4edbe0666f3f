package backend

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Request says what a request needs of an instance.
type Request struct {
	// Policy is the one that the request was routed by.
	Policy  *scaler.Policy
	Arrived time.Time
	// Key is what the selection mode hash goes by.
	Key string
	// Failed is the instance that has failed the request; "" for none. Another
	// instance is preferred, and the request waits ahead of all others.
	Failed string
	// Client is the request's client.
	Client Client
}

// Client is the client of a request that may have to wait.
type Client interface {
	// Memory estimates what the request takes while it waits, in bytes.
	Memory() int64
	// Left returns a check whether the client has left; nil when the end of the
	// request's context says so.
	Left() func() bool
}
