package nomadplugin

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// keyWatchdog is the key of a strategy block's config that turns the watchdog on.
const keyWatchdog = "watchdog"

// watchdog interrupts the agent when it has stopped evaluating an app, so that the
// agent's supervisor restarts it. After a short loss of Nomad, agent 0.5.0 drops every
// policy that has not changed and does not recover.
//
// The watchdog ignores an app that this process has never seen evaluated, unless it has
// seen no evaluation at all. Otherwise one app whose evaluations always fail would end
// every agent.
type watchdog struct {
	log            hclog.Logger
	interruptAgent func() error

	mutex         sync.Mutex
	limit         time.Duration // 0 turns the watchdog off
	lastEvaluated map[scaler.AppID]time.Time
}

func newWatchdog(log hclog.Logger) *watchdog {
	// When the agent dies, this process gets another parent, so keep the ID now.
	agent := os.Getppid()
	return &watchdog{
		log:            log,
		interruptAgent: func() error { return interruptProcess(agent) },
		lastEvaluated:  map[scaler.AppID]time.Time{anyApp: time.Now()},
	}
}

// anyApp stands for all apps together.
var anyApp scaler.AppID

// evaluated records that the agent has evaluated an app.
func (w *watchdog) evaluated(app scaler.AppID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	now := time.Now()
	w.lastEvaluated[app], w.lastEvaluated[anyApp] = now, now
}

func (w *watchdog) configure(limit time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.limit = limit
}

// takeOverdue returns the apps whose last evaluation is longer ago than the limit.
// It forgets them until their next evaluation.
func (w *watchdog) takeOverdue(now time.Time) (apps []scaler.AppID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.limit == 0 {
		return nil
	}
	for app, last := range w.lastEvaluated {
		if now.Sub(last) > w.limit {
			apps = append(apps, app)
			delete(w.lastEvaluated, app)
		}
	}
	if slices.Contains(apps, anyApp) {
		w.lastEvaluated[anyApp] = now
	}
	return apps
}

// parseWatchdog reads the limit. 0 turns the watchdog off.
func parseWatchdog(value string) (time.Duration, error) {
	if value == "" {
		return 0, nil
	}
	limit, ok := scaler.ParseDuration(value)
	if !ok || (limit != 0 && limit < time.Second) {
		return 0, fmt.Errorf("%s = %q: must be 0 or a duration of at least 1s, above the longest evaluation_interval", keyWatchdog, value)
	}
	return limit, nil
}

// run checks once a second until the context ends.
func (w *watchdog) run(ctx context.Context, client func() *nomad.Client) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		overdue := w.takeOverdue(time.Now())
		if len(overdue) == 0 {
			continue
		}
		enabled, err := client().EnabledApps(ctx)
		if err != nil {
			// Without Nomad, the apps cannot be checked and a restart does not help.
			w.log.Warn("apps are not evaluated, and Nomad does not answer", "apps", len(overdue), "error", cleanError(err))
			for _, app := range overdue {
				w.evaluated(app)
			}
			continue
		}
		w.check(overdue, enabled)
	}
}

// check interrupts the agent if an overdue app is enabled.
func (w *watchdog) check(overdue, enabled []scaler.AppID) {
	for _, app := range overdue {
		if slices.Contains(enabled, app) || app == anyApp && len(enabled) > 0 {
			w.log.Error("interrupting the agent: it has stopped evaluating apps", "app", app)
			if err := w.interruptAgent(); err != nil {
				w.log.Error("the agent could not be interrupted", "error", err)
			}
			return
		}
	}
}

// interruptProcess asks a process to end in order.
func interruptProcess(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Signal(os.Interrupt)
}
