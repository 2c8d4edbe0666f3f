package nomad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// ErrStopped is returned for a job that was stopped: it has no count to change.
var ErrStopped = errors.New("the job is stopped")

// BoundsError tells that a count is outside of what a scaling block allows.
type BoundsError struct {
	// App is the group, and Count what it was to have.
	App   scaler.AppID
	Count int
	// Min and Max are the bounds that Nomad enforces.
	Min, Max int
}

// Error names the group, the count and the bounds.
func (e *BoundsError) Error() string {
	return fmt.Sprintf("the scaling block of %s allows %d to %d instances, and not %d", e.App, e.Min, e.Max, e.Count)
}

// ScaleByHand sets the count of a group, with or without a policy, to what a
// person asks for, and returns the one before. It compares and sets: when
// something else scales at the same moment, it looks again. It returns a
// [*BoundsError], [ErrNotFound], [ErrNoGroup], [ErrStopped] or what
// [Client.SetCount] does; with an error nothing has changed.
func (c *Client) ScaleByHand(ctx context.Context, t scaler.AppID, count int, reason string) (before int, err error) {
	err = ErrConflict
	for attempt := 0; errors.Is(err, ErrConflict) && attempt < attempts; attempt++ {
		if attempt > 0 && !wait(ctx, time.Duration(attempt)*conflictPause) {
			return before, ctx.Err()
		}
		before, err = c.scalableTo(ctx, t, count)
		if err != nil || before == count {
			return before, err
		}
		err = c.SetCount(ctx, t, Change{From: before, To: count, Reason: reason})
	}
	return before, err
}

// scalableTo is the count of a group that may be changed to another one.
func (c *Client) scalableTo(ctx context.Context, t scaler.AppID, count int) (int, error) {
	job, err := c.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil {
		return 0, err
	}
	if err := hasGroup(job, t); err != nil {
		return 0, err
	}
	if job.Stop != nil && *job.Stop {
		return 0, fmt.Errorf("%w: %s in namespace %s", ErrStopped, t.Job, t.Namespace)
	}
	group := job.LookupTaskGroup(t.Group)
	if b := group.Scaling; b != nil && b.Min != nil && b.Max != nil && (int64(count) < *b.Min || int64(count) > *b.Max) {
		return 0, &BoundsError{App: t, Count: count, Min: int(*b.Min), Max: int(*b.Max)}
	}
	return *group.Count, nil
}

// AwaitCount waits until as many instances of a group run as were asked for, and
// tells how many do whenever that changes. It returns [ErrConflict] when the
// count has been changed meanwhile.
func (c *Client) AwaitCount(ctx context.Context, t scaler.AppID, count int, progress func(running int)) error {
	seen := -1
	var index uint64
	for {
		query := reading(ctx, t.Namespace)
		query.WaitIndex, query.WaitTime = index, pollAtMost
		allocations, meta, err := c.api.Jobs().Allocations(t.Job, false, query)
		if err != nil {
			return explain(err, "waiting for %d instances of %s, of which %d run", count, t, max(seen, 0))
		}
		index = meta.LastIndex
		running := 0
		for _, a := range allocations {
			if a.TaskGroup == t.Group && a.ClientStatus == api.AllocClientStatusRunning {
				running++
			}
		}
		if running != seen {
			seen = running
			progress(running)
		}
		if running == count {
			return nil
		}
		status, err := c.Status(ctx, t)
		if err != nil {
			return err
		}
		if status.Desired != count {
			return fmt.Errorf("waiting for %d instances of %s: %w: it is to have %d", count, t, ErrConflict, status.Desired)
		}
	}
}
