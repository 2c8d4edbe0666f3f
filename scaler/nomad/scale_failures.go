package nomad

import (
	"context"
	"slices"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// StartFailures lists the reasons why instances of a group do not start, in Nomad's
// words: they cannot be placed, or Nomad has given up on their tasks.
func (s *Scaling) StartFailures(ctx context.Context, app scaler.AppID) ([]string, error) {
	var reasons []string
	evaluations, _, err := s.api.Jobs().Evaluations(app.Job, queryOptions(ctx, app.Namespace))
	if err != nil {
		return nil, wrap(withCapability("read-job", app.Namespace, err), "reading the evaluations of job %s", app.Job)
	}
	for _, e := range evaluations {
		if reason := newEvaluation(e).Unplaced[app.Group]; reason != "" {
			reasons = append(reasons, reason)
		}
	}
	allocations, _, err := s.api.Jobs().Allocations(app.Job, false, queryOptions(ctx, app.Namespace))
	if err != nil {
		return nil, wrap(withCapability("read-job", app.Namespace, err), "reading the instances of job %s", app.Job)
	}
	for _, a := range allocations {
		if i := newInstance(a); i.App.Group == app.Group && i.Failed {
			reasons = append(reasons, i.Failure)
		}
	}
	slices.Sort(reasons)
	return slices.Compact(reasons), nil
}
