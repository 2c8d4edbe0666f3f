package cluster

import "sync/atomic"

// LamportClock numbers the permit reports of a process. A number is above every
// one that the process has given or observed before, so all gateways agree on the
// order. The zero value is ready. It is safe for concurrent use.
type LamportClock struct{ last atomic.Int64 }

// Next returns a new number.
func (c *LamportClock) Next() int64 { return c.last.Add(1) }

// Observe takes a number of another process into account.
func (c *LamportClock) Observe(number int64) {
	for {
		last := c.last.Load()
		if last >= number || c.last.CompareAndSwap(last, number) {
			return
		}
	}
}
