package gateway

import (
	"sync/atomic"
)

// numbers are those of a process's reports: the highest that it has given or
// heard.
type numbers struct{ last atomic.Int64 }

func (n *numbers) next() int64 { return n.last.Add(1) }

func (n *numbers) heard(number int64) {
	for {
		last := n.last.Load()
		if last >= number || n.last.CompareAndSwap(last, number) {
			return
		}
	}
}
