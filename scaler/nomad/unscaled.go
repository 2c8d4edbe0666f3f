package nomad

import (
	"context"
	"errors"
	"iter"

	"github.com/hashicorp/nomad/api"
)

// Unscaled yields the groups that could be given a policy and have no scaling
// block: those of the service jobs of a namespace that are not stopped, or of
// all namespaces for "*". Each job is read when it is its turn. An error ends it.
func (c *Client) Unscaled(ctx context.Context, namespace string) iter.Seq2[Target, error] {
	return func(yield func(Target, error) bool) {
		stubs, _, err := c.api.Jobs().List(reading(ctx, namespace))
		if err != nil {
			yield(Target{}, explain(needs("list-jobs", namespace, err), "listing jobs"))
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
				yield(Target{}, err)
				return
			}
			for _, group := range job.TaskGroups {
				if CheckScalable(job, *group.Name) == nil && !yield(Target{stub.Namespace, stub.ID, *group.Name}, nil) {
					return
				}
			}
		}
	}
}
