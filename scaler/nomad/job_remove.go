package nomad

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// RemoveJob stops a job; with purge, Nomad also forgets it. A job that does not
// exist is no error.
func (j *Jobs) RemoveJob(ctx context.Context, namespace, id string, purge bool) error {
	_, _, err := j.api.Jobs().Deregister(id, purge, writeOptions(ctx, namespace))
	if statusCode(err) == http.StatusNotFound {
		return nil
	}
	return wrap(withCapability("submit-job", namespace, err), "removing job %s in namespace %s", id, namespace)
}

// PurgeStoppedJob makes Nomad forget a job, unless it was registered again after it
// was stopped.
func (j *Jobs) PurgeStoppedJob(ctx context.Context, namespace, id string) error {
	job, err := j.ReadJob(ctx, namespace, id)
	if errors.Is(err, ErrNotFound) || (err == nil && !*job.Stop) {
		return nil
	}
	if err != nil {
		return err
	}
	return j.RemoveJob(ctx, namespace, id, true)
}

// AwaitStopped waits until no allocation of a job runs. If the context ends before,
// the error names the allocations that still run.
func (j *Jobs) AwaitStopped(ctx context.Context, namespace, id string) error {
	var index uint64
	var running []string
	for {
		allocations, meta, err := j.api.Jobs().Allocations(id, true, blockingOptions(ctx, namespace, index))
		if ctx.Err() != nil && len(running) > 0 {
			return fmt.Errorf("waiting for the allocations of job %s to stop: %w; still running: %s", id, ctx.Err(), strings.Join(running, ", "))
		}
		if statusCode(err) == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return wrap(err, "waiting for the allocations of job %s to stop", id)
		}
		running = running[:0]
		for _, allocation := range allocations {
			switch allocation.ClientStatus {
			case api.AllocClientStatusPending, api.AllocClientStatusRunning, api.AllocClientStatusUnknown:
				running = append(running, allocation.Name+" on "+allocation.NodeName)
			}
		}
		if len(running) == 0 {
			return nil
		}
		index = meta.LastIndex
	}
}
