package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"

	"github.com/nomadscale/terraform-provider-nomadscale/examples/sandbox"
)

// startLoad starts to send requests for a time. Each client sends rate requests a
// second.
func (c *cluster) startLoad(ctx context.Context, duration string, clients, rate int) {
	c.loadResult = make(chan error, 1)
	go func() {
		answered, err := hey(ctx, c.Command("hey"), c.url()+"/?work=50ms", duration, clients, rate)
		c.answered += answered
		c.loadResult <- err
	}()
}

// awaitLoad waits for the end of the load and returns its error.
func (c *cluster) awaitLoad() error { return <-c.loadResult }

// hey runs the load tool and counts the responses. A status other than 200 is an error.
func hey(ctx context.Context, tool, url, duration string, clients, rate int) (answered int, err error) {
	arguments := []string{"-z", duration, "-c", strconv.Itoa(clients), "-q", strconv.Itoa(rate), "-t", "60", url}
	out, err := exec.CommandContext(ctx, tool, arguments...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("sending load: %w\n%s", err, out)
	}
	return sandbox.Answered(string(out))
}
