package nomad

import (
	"context"
	"errors"
	"time"
)

const (
	// maxAttempts is how often a write is tried while others write the same job.
	maxAttempts = 8
	// conflictPause is the pause after the first conflict. It grows with each attempt.
	conflictPause = 50 * time.Millisecond
	// retryPause is the pause before a failed query is repeated.
	retryPause = time.Second
)

// retryConflicts calls f again while it returns [ErrConflict], with a growing
// pause. It returns the context's error if that ends between two calls.
func retryConflicts(ctx context.Context, f func() error) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 {
			sleep(ctx, time.Duration(attempt)*conflictPause)
		}
		if err = ctx.Err(); err == nil {
			err = f()
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}

// sleep pauses, and reports whether the pause ended before the context.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// failureFilter reports a failure once until it ends. Its report function must be set.
type failureFilter struct {
	report func(error)
	last   string
}

// note reports an error unless it was the last one; nil means that the failure ended.
func (f *failureFilter) note(err error) {
	if err == nil {
		f.last = ""
	} else if text := err.Error(); text != f.last {
		f.last = text
		f.report(err)
	}
}
