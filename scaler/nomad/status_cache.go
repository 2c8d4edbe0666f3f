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
	// settleTime is how long after a job's last event its status is not kept:
	// the scaling event is written after the job and makes no event of its own.
	settleTime = 5 * time.Second
	// maxAge bounds how long it matters that an event got lost, or that a server
	// is cut off from its leader and gives signs of life. Each status gets between
	// half of it and all, so that they are not read anew all at once.
	maxAge = 5 * time.Minute
	// streamSilence is when an event stream is taken for dead. Nomad sends
	// something every 30 seconds.
	streamSilence = 45 * time.Second
	// streamPause is the time between two tries to open the stream.
	streamPause = 10 * time.Second
)

// StatusCache keeps the status of groups while Nomad's event stream tells of no
// change of their jobs, for those who look at many groups all the time of which
// few change. Without the stream it keeps nothing and reads whatever it is asked.
//
// What is kept can be out of date: by the time that an event takes, by that until
// a dead stream is noticed, and in Running, which changes without an event. So a
// kept status is good for holding a count, and [StatusCache.Read] for changing it.
//
// It is safe for concurrent use.
type StatusCache struct {
	client *Client

	mu sync.Mutex
	// opened is when the stream began; zero while there is none.
	opened time.Time
	// namespaces are those that the stream tells of: Nomad leaves out the ones
	// that came after it. missed tells that a status in another was read.
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

// NewStatusCache returns a cache that keeps nothing until it watches.
func NewStatusCache(c *Client) *StatusCache {
	return &StatusCache{client: c, jobs: make(map[jobKey]*cachedJob)}
}

// Status returns what [Client.Status] does, and whether it was kept from before.
func (c *StatusCache) Status(ctx context.Context, app scaler.AppID) (status Status, kept bool, err error) {
	if status, ok := c.kept(app); ok {
		return status, true, nil
	}
	status, err = c.Read(ctx, app)
	return status, false, err
}

// Read asks Nomad, whatever is kept.
func (c *StatusCache) Read(ctx context.Context, app scaler.AppID) (Status, error) {
	begun := time.Now()
	status, err := c.client.Status(ctx, app)
	c.mu.Lock()
	defer c.mu.Unlock()
	job := c.job(app.Namespace, app.Job)
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

// Forget drops what is kept of a policy's job, for it is being changed.
func (c *StatusCache) Forget(app scaler.AppID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(app.Namespace, app.Job)
}

func (c *StatusCache) forget(namespace, job string) {
	j := c.job(namespace, job)
	j.changed = time.Now()
	clear(j.groups)
}

func (c *StatusCache) kept(app scaler.AppID) (Status, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, ok := c.job(app.Namespace, app.Job).groups[app.Group]
	return status.Status, ok && time.Now().Before(status.until)
}

func (c *StatusCache) job(namespace, id string) *cachedJob {
	key := jobKey{namespace, id}
	job := c.jobs[key]
	if job == nil {
		job = &cachedJob{groups: make(map[string]cachedStatus)}
		c.jobs[key] = job
	}
	return job
}

// Watch follows the events of all jobs until the context ends. A failure is told
// once until it is over, and the watch goes on.
func (c *StatusCache) Watch(ctx context.Context, failed func(error)) {
	failure := ""
	for ctx.Err() == nil {
		opened, err := c.follow(ctx)
		if opened {
			failure = ""
		}
		if ctx.Err() != nil || err == nil {
			continue
		}
		if failure != err.Error() {
			failure = err.Error()
			failed(err)
		}
		wait(ctx, streamPause)
	}
}

// follow reads one event stream to its end. It returns no error when a new one is
// to be opened at once.
func (c *StatusCache) follow(ctx context.Context) (opened bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	namespaces, _, err := c.client.listNamespaces(ctx, 0)
	if err != nil {
		return false, err
	}
	silence := time.AfterFunc(listTimeout, func() { cancel(errors.New("there is no sign of life")) })
	defer silence.Stop()
	query := reading(ctx, api.AllNamespacesNamespace)
	query.Params = map[string]string{"topic": string(api.TopicJob)}
	stream, err := c.client.api.Raw().Response("/v1/event/stream", query)
	if err != nil {
		return false, explain(needs("read-job", "*", err), "opening the event stream")
	}
	defer stream.Close()
	defer c.lose()
	// The client of the Nomad project tells neither of a sign of life nor of an
	// event's namespace, and unpacks the whole job.
	lines := json.NewDecoder(stream)
	for {
		var line eventLine
		if err := lines.Decode(&line); err != nil {
			err = cmp.Or(context.Cause(ctx), err)
			if !opened {
				// Nomad begins to answer before it looks at the token, and then
				// says nothing.
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

// eventLine is a line of the event stream, as far as it matters here. One without
// events is a sign of life.
type eventLine struct {
	Events []struct{ Namespace, Key string }
}

func (c *StatusCache) open(namespaces map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened, c.namespaces, c.missed = time.Now(), namespaces, false
}

func (c *StatusCache) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = time.Time{}
	clear(c.jobs)
}

// note takes over what a line tells. With a sign of life it sweeps, and tells
// whether the stream leaves out a namespace that is asked for.
func (c *StatusCache) note(line eventLine) (missed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, event := range line.Events {
		c.forget(event.Namespace, event.Key)
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
