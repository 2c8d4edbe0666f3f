package gateway_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil keeps its thread asleep until then, to some microseconds.
func sleepUntil(t time.Time) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	if d := time.Until(t); d > 0 {
		left := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&left, nil)
	}
}
