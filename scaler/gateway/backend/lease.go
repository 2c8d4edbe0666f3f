package backend

import (
	"context"
	"errors"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Lease is room for one request at an instance. It is released once.
type Lease struct {
	app *App
	assignment
}

// Instance is the ID of the instance's allocation; "" without a lease.
func (l Lease) Instance() string {
	if l.instance == nil {
		return ""
	}
	return l.instance.ID
}

// Address is where the instance serves.
func (l Lease) Address() string { return l.address }

// Release gives the room back, to the request that has waited longest, and judges
// the instance by the result of the attempt.
func (l Lease) Release(r api.AttemptResult) { l.app.waiting.release(l.assignment, r) }

// Acquire assigns an instance to a request. Without room at any, the request
// waits, in the order of arrival and no longer than start_timeout; waited is how
// long. The error is an [*api.Refusal].
func (a *App) Acquire(ctx context.Context, r *Request) (l Lease, waited time.Duration, err error) {
	at, err := a.waiting.tryAssign(r)
	if errors.Is(err, errNoRoom) {
		began := a.config.Now()
		at, waited, err = a.waiting.wait(ctx, r, began)
	}
	if err != nil {
		return Lease{}, waited, err
	}
	return Lease{a, at}, waited, nil
}
