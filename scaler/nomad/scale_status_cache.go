package nomad

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

const (
	// settleTime is how long after a job's last event its status is not cached. Nomad
	// writes the scaling event after the job, without an event in the stream.
	settleTime = 5 * time.Second
	// maxAge limits how long a lost event matters, or a server that is cut off from its
	// leader and still sends heartbeats. Each status is cached for between half of it and
	// all of it, so that they do not expire at the same time.
	maxAge = 5 * time.Minute
	// streamSilence is the silence after which an event stream counts as dead. Nomad
	// sends a heartbeat every 30 seconds.
	streamSilence = 45 * time.Second
	// streamPause is the pause between two attempts to open the stream.
	streamPause = 10 * time.Second
)

// StatusCache caches the status of groups while Nomad's event stream reports no change
// of their jobs. It serves callers that read the status of many groups again and again,
// of which few change. Without the stream it caches nothing.
//
// A cached status can be outdated: by the delay of an event, by the time until a dead
// stream is noticed, and in Running, which changes without an event. It is therefore
// good enough to keep a count. To change a count, use [StatusCache.Read].
//
// It is safe for concurrent use.
type StatusCache struct {
	client *Client

	mu sync.Mutex
	// opened is when the stream was opened; zero while there is none.
	opened time.Time
	// namespaces are those that the stream covers: Nomad leaves out namespaces that
	// were created later. missed means that a status in another namespace was read.
	namespaces map[string]bool
	missed     bool
	jobs       map[jobKey]*cachedJob
}

type jobKey struct{ namespace, job string }

type cachedJob struct {
	changed time.Time
	groups  map[string]cachedStatus
}

type cachedStatus struct {
	Status
	until time.Time
}

// NewStatusCache returns a cache that caches nothing until it watches.
func NewStatusCache(c *Client) *StatusCache {
	return &StatusCache{client: c, jobs: make(map[jobKey]*cachedJob)}
}

// Status returns the status of an app as [Scaling.Status] does, and whether it comes
// from the cache.
func (c *StatusCache) Status(ctx context.Context, app scaler.AppID) (status Status, cached bool, err error) {
	if status, ok := c.cached(app); ok {
		return status, true, nil
	}
	status, err = c.Read(ctx, app)
	return status, false, err
}

// Read reads the status from Nomad, whatever is cached.
func (c *StatusCache) Read(ctx context.Context, app scaler.AppID) (Status, error) {
	begun := time.Now()
	status, err := c.client.Status(ctx, app)
	c.mu.Lock()
	defer c.mu.Unlock()
	job := c.jobLocked(app.Namespace, app.Job)
	delete(job.groups, app.Group)
	settled := begun.Add(-settleTime)
	switch {
	case err != nil, c.opened.IsZero():
	case !c.namespaces[app.Namespace]:
		c.missed = true
	case job.changed.Before(settled) && c.opened.Before(settled):
		job.groups[app.Group] = cachedStatus{status, begun.Add(maxAge/2 + rand.N(maxAge/2))}
	}
	return status, err
}

// Forget drops the cached statuses of an app's job, because the job is being changed.
func (c *StatusCache) Forget(app scaler.AppID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(app.Namespace, app.Job)
}

func (c *StatusCache) forgetLocked(namespace, job string) {
	j := c.jobLocked(namespace, job)
	j.changed = time.Now()
	clear(j.groups)
}

func (c *StatusCache) cached(app scaler.AppID) (Status, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, ok := c.jobLocked(app.Namespace, app.Job).groups[app.Group]
	return status.Status, ok && time.Now().Before(status.until)
}

func (c *StatusCache) jobLocked(namespace, id string) *cachedJob {
	key := jobKey{namespace, id}
	job := c.jobs[key]
	if job == nil {
		job = &cachedJob{groups: make(map[string]cachedStatus)}
		c.jobs[key] = job
	}
	return job
}

// Watch follows the events of all jobs until the context ends. It reports a failure once
// until that ends, and continues.
func (c *StatusCache) Watch(ctx context.Context, failed func(error)) {
	failures := failureFilter{report: failed}
	for ctx.Err() == nil {
		opened, err := c.follow(ctx)
		if opened {
			failures.note(nil)
		}
		if ctx.Err() != nil || err == nil {
			continue
		}
		failures.note(err)
		sleep(ctx, streamPause)
	}
}

// follow reads one event stream to its end. It returns no error if a new one must be
// opened at once.
func (c *StatusCache) follow(ctx context.Context) (opened bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	namespaces, _, err := c.client.listNamespaces(ctx, 0)
	if err != nil {
		return false, err
	}
	silence := time.AfterFunc(listTimeout, func() { cancel(errors.New("there is no heartbeat")) })
	defer silence.Stop()
	query := queryOptions(ctx, api.AllNamespacesNamespace)
	query.Params = map[string]string{"topic": string(api.TopicJob)}
	stream, err := c.client.api.Raw().Response("/v1/event/stream", query)
	if err != nil {
		return false, wrap(withCapability("read-job", "*", err), "opening the event stream")
	}
	defer stream.Close()
	defer c.close()
	// The client of the Nomad project reports neither heartbeats nor the namespace of an
	// event, and decodes the whole job.
	lines := json.NewDecoder(stream)
	for {
		var line eventLine
		if err := lines.Decode(&line); err != nil {
			err = cmp.Or(context.Cause(ctx), err)
			if !opened {
				// Nomad begins its response before it checks the token, and then sends
				// nothing.
				return false, fmt.Errorf("opening the event stream: %w, as when the token lacks the capability read-job in some namespace", err)
			}
			return true, fmt.Errorf("reading the event stream: %w", err)
		}
		silence.Reset(streamSilence)
		if !opened {
			opened = true
			c.open(namespaces)
		}
		if c.note(line) {
			return true, nil
		}
	}
}

// eventLine is a line of the event stream, with what matters here. A line without events
// is a heartbeat.
type eventLine struct {
	Events []struct{ Namespace, Key string }
}

func (c *StatusCache) open(namespaces map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened, c.namespaces, c.missed = time.Now(), namespaces, false
}

func (c *StatusCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = time.Time{}
	clear(c.jobs)
}

// note applies a line of the stream. For a heartbeat, it removes what has expired, and
// reports whether a status outside of the stream's namespaces was read.
func (c *StatusCache) note(line eventLine) (missed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, event := range line.Events {
		c.forgetLocked(event.Namespace, event.Key)
	}
	if len(line.Events) > 0 {
		return false
	}
	now := time.Now()
	for key, job := range c.jobs {
		maps.DeleteFunc(job.groups, func(_ string, status cachedStatus) bool { return now.After(status.until) })
		if len(job.groups) == 0 && now.Sub(job.changed) > settleTime {
			delete(c.jobs, key)
		}
	}
	return c.missed
}
