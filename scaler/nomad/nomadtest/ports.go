package nomadtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// The port ranges of agents are below the ephemeral ports of the system. Without ranges of
// their own, all agents would assign the same ports.
const (
	firstPort  = 10000
	portRanges = 11
	rangeSize  = 2000
)

// taskPorts is the port range that one agent assigns to its tasks. A listener on the first
// port reserves the range, so that the agents of other tests use other ranges.
type taskPorts struct {
	first    int
	reserved net.Listener
}

// reserveTaskPorts reserves a range that no other agent has. If there is none, it returns a
// range that another agent may have too.
func reserveTaskPorts() taskPorts {
	order := rand.Perm(portRanges)
	for _, n := range order {
		first := firstPort + n*rangeSize
		if reserved, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first)); err == nil {
			return taskPorts{first, reserved}
		}
	}
	return taskPorts{first: firstPort + order[0]*rangeSize}
}

func (p taskPorts) release() {
	if p.reserved != nil {
		_ = p.reserved.Close()
	}
}

// FreePorts returns free ports of the loopback interface.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close()
		if _, err := fmt.Sscanf(l.Addr().String(), "127.0.0.1:%d", &ports[i]); err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
	}
	return ports, nil
}

// FreePort returns a free port of the loopback interface.
func FreePort(t testing.TB) int {
	t.Helper()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

// FreeAddress returns a free port of the loopback interface, as host:port.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}
