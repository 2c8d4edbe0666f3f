package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// watch prints one line a second about the app while the app is declared.
func (c *cluster) watch(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if line, ok := c.line(ctx, now); ok {
				fmt.Fprintln(w, line)
			}
		}
	}
}

// line returns the line to print, and false if there is no app.
func (c *cluster) line(ctx context.Context, now time.Time) (string, bool) {
	status, err := c.Agent.Client.Status(ctx, c.policy.App)
	if err != nil {
		return "", false
	}
	line := fmt.Sprintf("%s  %s  desired %d  running %d", now.Format(time.TimeOnly), c.loadNow(ctx), status.Desired, status.Running)
	if action := status.History.LastAction; action != nil {
		line += fmt.Sprintf("  last %d -> %d: %s", action.From, action.To, action.Reason)
	}
	return line, true
}

// loadNow returns the app's load as the gateway reports it.
func (c *cluster) loadNow(ctx context.Context) string {
	var report api.LoadReport
	if err := nomadtest.Get(ctx, c.Admin+"/v1/load?app="+c.policy.App.String(), &report); err != nil {
		return "load unknown"
	}
	now := report.Apps[c.policy.App]
	return fmt.Sprintf("%4d requests a minute  %2d in flight", now.RequestsPerMinute, now.Concurrency)
}
