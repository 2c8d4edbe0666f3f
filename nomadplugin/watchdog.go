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

// watchdog ends the agent when it has stopped to evaluate an app, for whatever
// supervises it to start it anew. The agent of 0.5.0 does not come back by itself
// from having lost Nomad for a moment: it drops every policy that has not changed.
//
// An app that this process has never seen evaluated is no reason, unless none
// was, so that one whose evaluation always fails does not end the agent forever.
type watchdog struct {
	log  hclog.Logger
	bite func() error

	mutex sync.Mutex
	limit time.Duration // 0 is off
	last  map[scaler.AppID]time.Time
}

func newWatchdog(log hclog.Logger) *watchdog {
	// By the time of the bite, the agent may have died and be nobody's parent.
	agent := os.Getppid()
	return &watchdog{log: log, bite: func() error { return interrupt(agent) }, last: map[scaler.AppID]time.Time{anyApp: time.Now()}}
}

// anyApp stands for all apps together.
var anyApp scaler.AppID

// seen notes that the agent has evaluated an app.
func (w *watchdog) seen(app scaler.AppID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	now := time.Now()
	w.last[app], w.last[anyApp] = now, now
}

func (w *watchdog) configure(limit time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.limit = limit
}

// silent lists the apps that were not evaluated for longer than the limit, and
// forgets them until they are again.
func (w *watchdog) silent(now time.Time) (apps []scaler.AppID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.limit == 0 {
		return nil
	}
	for app, last := range w.last {
		if now.Sub(last) > w.limit {
			apps = append(apps, app)
			delete(w.last, app)
		}
	}
	if slices.Contains(apps, anyApp) {
		w.last[anyApp] = now
	}
	return apps
}

// parseWatchdog reads the limit; 0 means that there is to be no watchdog.
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

// run watches until the context ends.
func (w *watchdog) run(ctx context.Context, client func() *nomad.Client) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		silent := w.silent(time.Now())
		if len(silent) == 0 {
			continue
		}
		enabled, err := client().EnabledApps(ctx)
		if err != nil {
			// Nothing can be told, nor mended, before Nomad is back.
			w.log.Warn("apps are not evaluated, and Nomad does not answer", "apps", len(silent), "error", clean(err))
			for _, app := range silent {
				w.seen(app)
			}
			continue
		}
		w.judge(silent, enabled)
	}
}

// judge ends the agent if one of the silent apps ought to be evaluated.
func (w *watchdog) judge(silent, enabled []scaler.AppID) {
	for _, app := range silent {
		if slices.Contains(enabled, app) || app == anyApp && len(enabled) > 0 {
			w.log.Error("ending the agent: it has stopped to evaluate apps", "app", app)
			if err := w.bite(); err != nil {
				w.log.Error("the agent could not be ended", "error", err)
			}
			return
		}
	}
}

// interrupt asks the agent to end, as an operator would.
func interrupt(agent int) error {
	process, err := os.FindProcess(agent)
	if err != nil {
		return err
	}
	return process.Signal(os.Interrupt)
}
