package nomad

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// ErrStopped is returned for a job that was stopped: it has no count to change.
var ErrStopped = errors.New("the job is stopped")

// BoundsError is returned for a count that the scaling block does not allow.
type BoundsError struct {
	// App is the group, and Count the count that was requested.
	App   scaler.AppID
	Count int
	// Min and Max are the bounds that Nomad enforces.
	Min, Max int
}

// Error names the group, the count and the bounds.
func (e *BoundsError) Error() string {
	return fmt.Sprintf("the scaling block of %s allows %d to %d instances, and not %d", e.App, e.Min, e.Max, e.Count)
}

// ScaleManually sets the count of a group, with or without a policy, to what an
// operator requests. It returns the count before. If the group is scaled at the same
// moment, it tries again.
//
// It returns a [*BoundsError], [ErrNotFound], [jobspec.ErrNoGroup], [ErrStopped] or
// the errors of [Scaling.SetCount]. With an error, nothing has changed.
func (s *Scaling) ScaleManually(ctx context.Context, app scaler.AppID, count int, reason string) (before int, err error) {
	err = retryConflicts(ctx, func() error {
		var err error
		before, err = s.scalableTo(ctx, app, count)
		if err != nil || before == count {
			return err
		}
		return s.SetCount(ctx, app, Change{From: before, To: count, Reason: reason})
	})
	return before, err
}

// scalableTo returns the count of a group, if it may be changed to another one.
func (s *Scaling) scalableTo(ctx context.Context, app scaler.AppID, count int) (int, error) {
	job, err := s.jobs.ReadJob(ctx, app.Namespace, app.Job)
	if err != nil {
		return 0, err
	}
	group, err := jobspec.FindGroup(job, app.Group)
	if err != nil {
		return 0, err
	}
	if jobspec.Stopped(job) {
		return 0, fmt.Errorf("%w: %s in namespace %s", ErrStopped, app.Job, app.Namespace)
	}
	if b := group.Scaling; b != nil && b.Min != nil && b.Max != nil && (int64(count) < *b.Min || int64(count) > *b.Max) {
		return 0, &BoundsError{App: app, Count: count, Min: int(*b.Min), Max: int(*b.Max)}
	}
	return *group.Count, nil
}

// AwaitCount waits until as many instances of a group run as its count. It calls
// progress with the number of running instances whenever that changes. It returns
// [ErrConflict] if the count has changed meanwhile.
func (s *Scaling) AwaitCount(ctx context.Context, app scaler.AppID, count int, progress func(running int)) error {
	seen := -1
	var index uint64
	for {
		query := blockingOptions(ctx, app.Namespace, index)
		query.WaitTime = maxBlockingTime
		allocations, meta, err := s.api.Jobs().Allocations(app.Job, false, query)
		if err != nil {
			return wrap(err, "waiting for %d instances of %s, of which %d run", count, app, max(seen, 0))
		}
		index = meta.LastIndex
		running := 0
		for _, a := range allocations {
			if a.TaskGroup == app.Group && a.ClientStatus == api.AllocClientStatusRunning {
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
		status, err := s.Status(ctx, app)
		if err != nil {
			return err
		}
		if status.Desired != count {
			return fmt.Errorf("waiting for %d instances of %s: %w: the count is now %d", count, app, ErrConflict, status.Desired)
		}
	}
}
