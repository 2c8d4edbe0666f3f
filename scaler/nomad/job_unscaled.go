package nomad

import (
	"context"
	"errors"
	"iter"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Unscaled yields the groups that could be given a policy and have no scaling block.
// They are those of the service jobs of a namespace that are not stopped, or of all
// namespaces for "*". It reads each job just before it yields its groups. An error
// ends the sequence.
func (j *Jobs) Unscaled(ctx context.Context, namespace string) iter.Seq2[scaler.AppID, error] {
	return func(yield func(scaler.AppID, error) bool) {
		stubs, _, err := j.api.Jobs().List(queryOptions(ctx, namespace))
		if err != nil {
			yield(scaler.AppID{}, wrap(withCapability("list-jobs", namespace, err), "listing jobs"))
			return
		}
		for _, stub := range stubs {
			if stub.Type != api.JobTypeService || stub.Stop {
				continue
			}
			job, err := j.ReadJob(ctx, stub.Namespace, stub.ID)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				yield(scaler.AppID{}, err)
				return
			}
			for _, group := range job.TaskGroups {
				app := scaler.AppID{Namespace: stub.Namespace, Job: stub.ID, Group: *group.Name}
				if jobspec.CheckScalable(job, app.Group) == nil && !yield(app, nil) {
					return
				}
			}
		}
	}
}
