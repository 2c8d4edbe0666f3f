package nomad

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryConflicts(t *testing.T) {
	conflict := fmt.Errorf("writing: %w", ErrConflict)
	other := errors.New("refused")
	for name, c := range map[string]struct {
		results []error
		want    error
		pause   time.Duration
	}{
		"at once":          {[]error{nil}, nil, 0},
		"another error":    {[]error{other}, other, 0},
		"after a conflict": {[]error{conflict, nil}, nil, 50 * time.Millisecond},
		"then an error":    {[]error{conflict, conflict, other}, other, 150 * time.Millisecond},
		"always a conflict": {
			[]error{conflict, conflict, conflict, conflict, conflict, conflict, conflict, conflict}, conflict, 1400 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, began := 0, time.Now()
				err := retryConflicts(t.Context(), func() error {
					calls++
					return c.results[calls-1]
				})
				if !errors.Is(err, c.want) || calls != len(c.results) || time.Since(began) != c.pause {
					t.Errorf("%v after %d calls and %s, want %v after %d and %s", err, calls, time.Since(began), c.want, len(c.results), c.pause)
				}
			})
		})
	}
}

func TestRetryConflictsEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := retryConflicts(ctx, func() error {
		calls++
		cancel()
		return ErrConflict
	})
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("%v after %d calls, want the context's error after 1", err, calls)
	}
}

func TestFailureFilter(t *testing.T) {
	var reported []string
	f := failureFilter{report: func(err error) { reported = append(reported, err.Error()) }}
	for _, text := range []string{"a", "a", "b", "", "b"} {
		if text == "" {
			f.note(nil)
		} else {
			f.note(errors.New(text))
		}
	}
	if got := fmt.Sprint(reported); got != "[a b b]" {
		t.Errorf("reported %s, want [a b b]", got)
	}
}
