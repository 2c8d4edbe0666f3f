//go:build !linux

package gateway_test

import "time"

// sleepUntil sleeps until then, or a little longer.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
