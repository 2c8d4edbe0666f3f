package nomadtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Servers is a cluster of several servers and clients, each an agent of its own.
type Servers struct {
	// Agent is the first client. Its HTTP API forwards requests to the servers.
	*Agent
	// Clients are all clients, which run the tasks.
	Clients []*Agent

	servers []*Agent
}

// StartServers runs a cluster of n servers and a client until the test ends.
func StartServers(t testing.TB, n int) *Servers {
	t.Helper()
	return StartCluster(t, n, 1)
}

// StartCluster runs a cluster of n servers and some clients until the test ends. Nomad
// marks a killed client as lost after a few seconds.
func StartCluster(t testing.TB, n, clients int) *Servers {
	t.Helper()
	binary := Tool(t, "nomad")
	root := shortTempDir(t)
	ports, err := FreePorts((n + clients) * agentPorts)
	if err != nil {
		t.Fatal(err)
	}
	// addresses lists the nth port of every server.
	addresses := func(nth int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("\"127.0.0.1:%d\"", ports[i*agentPorts+nth]))
		}
		return strings.Join(list, ", ")
	}
	start := func(i int, name, server, clientOf string) *Agent {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		// Without Durable, -dev would make every agent a cluster of its own.
		o := Options{Dir: dir, Durable: true, Config: fmt.Sprintf("name = %q\n", name)}
		a, err := launch(binary, o, ports[i*agentPorts:(i+1)*agentPorts], server, clientOf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			a.end(ctx)
			if t.Failed() {
				t.Logf("the end of the log of %s:\n%s", name, a.Log(logTail))
			}
		})
		return a
	}

	s := new(Servers)
	for i := range n {
		s.servers = append(s.servers, start(i, fmt.Sprintf("server-%d", i), fmt.Sprintf(serverConfig, n, raftMultiplier, 2, addresses(2)), noClient))
	}
	// A client that finds no leader tries again only after 15 seconds.
	Eventually(t, electionTimeout, "a leader", func() bool {
		leader, err := s.servers[0].API.Status().Leader()
		return err == nil && leader != ""
	})
	for i := range clients {
		s.Clients = append(s.Clients, start(n+i, fmt.Sprintf("client-%d", i), "", addresses(1)))
	}
	s.Agent = s.Clients[0]
	Eventually(t, startTimeout, "every client is ready", func() bool { return s.readyNodes() == clients })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := s.StopJobs(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// readyNodes returns how many clients can run tasks.
func (s *Servers) readyNodes() (ready int) {
	nodes, _, err := s.API.Nodes().List(nil)
	if err != nil {
		return 0
	}
	for _, node := range nodes {
		if isReady(node) {
			ready++
		}
	}
	return ready
}

// leader returns the server that leads, or nil if there is no leader.
func (s *Servers) leader() *Agent {
	address, err := s.API.Status().Leader()
	if err != nil {
		return nil
	}
	for _, server := range s.servers {
		if server.rpc == address {
			return server
		}
	}
	return nil
}

// KillLeader kills the leader and waits until another server leads.
func (s *Servers) KillLeader(t testing.TB) {
	t.Helper()
	var killed *Agent
	Eventually(t, electionTimeout, "a leader", func() bool {
		killed = s.leader()
		return killed != nil
	})
	killed.Kill()
	Eventually(t, electionTimeout, "another leader", func() bool {
		leader := s.leader()
		return leader != nil && leader != killed
	})
}

const (
	electionTimeout = 30 * time.Second
	// raftMultiplier makes the servers wait longer for the leader. It avoids needless
	// elections on a busy machine.
	raftMultiplier = 3
)
