package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Read shows the policy as Nomad has it, and what else has changed in its block. A
// policy that the job's owner has removed stays in the state, so that the next plan
// puts it back. It leaves the state with its job or its group.
func (r *policyResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	gone := func(m policyModelV0, job *api.Job) bool { return job.LookupTaskGroup(m.target().Group) == nil }
	readJob(ctx, r.connection, req, resp, gone, (*policyModelV0).adopt)
}

func (m policyModelV0) imported() bool { return m.Detach.IsNull() }

func (m policyModelV0) flatten(job *api.Job) map[string]string {
	return jobspec.FlattenBlock(job, m.target().Group)
}

// seen is the state as it shows a live job whose block was declared as the
// baseline.
func (m policyModelV0) seen(job *api.Job, baseline map[string]string) policyModelV0 {
	t := m.target()
	m.scalingModel = liveScaling(job, t, m.scalingModel)
	m.Drift = driftValue(jobspec.BlockDrift(baseline, job, t.Group))
	return m
}

// unchanged returns a check that a live policy still is as the state shows it, so
// that nothing is undone that no plan has shown. Without a baseline there has
// been no refresh that could tell.
func (m policyModelV0) unchanged(baseline map[string]string) func(*api.Job) error {
	return func(job *api.Job) error {
		if baseline == nil {
			baseline = m.flatten(job)
		}
		now := m.seen(job, baseline)
		if changed := append(m.changes(now.scalingModel), driftChanges(m.Drift, now.Drift)...); len(changed) > 0 {
			return &nomad.ChangedError{Paths: changed}
		}
		return nil
	}
}

// adopt completes the state of a policy that is being imported.
func (m *policyModelV0) adopt(job *api.Job) diag.Diagnostics {
	t := m.target()
	m.Detach = types.BoolValue(false)
	if err := jobspec.CheckGroup(job, t.Group); err != nil {
		return diag.Diagnostics{explained(err)}
	}
	if _, err := jobspec.ReadSettings(job, t.Group); err != nil {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("group"), "The group has no nomadscale policy",
			fmt.Sprintf("Group %s of job %s in namespace %s has no scaling block with the strategy %q, so there is nothing to import. "+
				"Apply the resource without importing it: that puts the policy there.", t.Group, t.Job, t.Namespace, jobspec.Driver))}
	}
	return nil
}
