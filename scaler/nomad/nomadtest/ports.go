package nomadtest

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports below those that the system gives out. Every agent would think that
// all of Nomad's are its own.
const (
	firstPort  = 10000
	portRanges = 11
	rangeSize  = 2000
)

// taskPorts are those that one agent gives to its tasks. Whoever listens on the
// first has the rest, so that agents of other tests give out others.
type taskPorts struct {
	from  int
	guard net.Listener
}

// reserveTaskPorts takes ports that no other agent has. When there are none, it
// takes some that another one may have too.
func reserveTaskPorts() taskPorts {
	order := rand.Perm(portRanges)
	for _, n := range order {
		from := firstPort + n*rangeSize
		if guard, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", from)); err == nil {
			return taskPorts{from, guard}
		}
	}
	return taskPorts{from: firstPort + order[0]*rangeSize}
}

func (p taskPorts) release() {
	if p.guard != nil {
		_ = p.guard.Close()
	}
}
