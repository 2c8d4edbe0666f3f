package nomadtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// agentPorts is the number of ports on which an agent listens: http, rpc and serf.
const agentPorts = 3

// FreePorts returns ports of loopback on which nothing listens.
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

// FreePort returns a port of loopback on which nothing listens.
func FreePort(t testing.TB) int {
	t.Helper()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

// FreeAddress returns a free port of loopback as host:port.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}

// These ranges of ports are below the ports that the system assigns. By default, every
// agent would assign its tasks ports from all of them.
const (
	firstPort  = 10000
	portRanges = 11
	rangeSize  = 2000
)

// taskPorts is the range of ports that one agent assigns to its tasks. A listener on
// the first port reserves the range, so that agents of other tests use other ranges.
type taskPorts struct {
	first    int
	reserved net.Listener
}

// reserveTaskPorts reserves a range for one agent. If every range is taken, the agent
// shares one with another agent.
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
