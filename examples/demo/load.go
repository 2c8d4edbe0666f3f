package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// load starts to send requests for a time, from so many clients, each so many a
// second.
func (c *cluster) load(ctx context.Context, duration string, clients, rate int) {
	c.running = make(chan error, 1)
	go func() {
		answered, err := hey(ctx, c.url()+"/?work=50ms", duration, clients, rate)
		c.answered += answered
		c.running <- err
	}()
}

// loaded waits for the end of the load.
func (c *cluster) loaded() error { return <-c.running }

var (
	answers  = regexp.MustCompile(`(?m)^\s+\[(\d+)\]\s+(\d+) responses`)
	failures = regexp.MustCompile(`(?s)Error distribution:(.*)`)
)

// hey runs the load tool and counts the answers. Anything but 200 is an error.
func hey(ctx context.Context, url, duration string, clients, rate int) (answered int, err error) {
	tool, err := nomadtest.FindTool("hey")
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, tool, "-z", duration, "-c", strconv.Itoa(clients), "-q", strconv.Itoa(rate), "-t", "60", url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("sending load: %w\n%s", err, out)
	}
	if failed := failures.FindSubmatch(out); failed != nil {
		return 0, fmt.Errorf("requests failed:%s", failed[1])
	}
	for _, line := range answers.FindAllSubmatch(out, -1) {
		n, err := strconv.Atoi(string(line[2]))
		if err != nil {
			return 0, err
		}
		if status := string(line[1]); status != "200" {
			return 0, fmt.Errorf("%d requests were answered %s", n, status)
		}
		answered += n
	}
	if answered == 0 {
		return 0, fmt.Errorf("no request was answered:\n%s", out)
	}
	return answered, nil
}
