package nomad

import (
	"context"
	"errors"
	"iter"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Unscaled yields the groups that could be given a policy and have no scaling
// block: those of the service jobs of a namespace that are not stopped, or of
// all namespaces for "*". Each job is read when it is its turn. An error ends it.
func (c *Client) Unscaled(ctx context.Context, namespace string) iter.Seq2[scaler.AppID, error] {
	return func(yield func(scaler.AppID, error) bool) {
		stubs, _, err := c.api.Jobs().List(reading(ctx, namespace))
		if err != nil {
			yield(scaler.AppID{}, explain(needs("list-jobs", namespace, err), "listing jobs"))
			return
		}
		for _, stub := range stubs {
			if stub.Type != api.JobTypeService || stub.Stop {
				continue
			}
			job, err := c.ReadJob(ctx, stub.Namespace, stub.ID)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				yield(scaler.AppID{}, err)
				return
			}
			for _, group := range job.TaskGroups {
				if CheckScalable(job, *group.Name) == nil && !yield(scaler.AppID{Namespace: stub.Namespace, Job: stub.ID, Group: *group.Name}, nil) {
					return
				}
			}
		}
	}
}
