package provider

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// MoveState takes over a nomad_job of the Nomad provider, as a moved block asks
// for.
func (r *appResource) MoveState(context.Context) []resource.StateMover {
	return []resource.StateMover{{StateMover: moveNomadJob}}
}

// nomadJobState is the part of a nomad_job's state that names the job. It has
// been the same since the type has a schema version.
type nomadJobState struct {
	ID         string `json:"id"`
	Namespace  string `json:"namespace"`
	TaskGroups []struct {
		Name string `json:"name"`
	} `json:"task_groups"`
}

// moveNomadJob does what an import does: it names the group, and the read that
// follows completes the state from Nomad, so that the plan shows what differs
// from the configuration, whatever the state moved from had seen. Of several
// groups it takes the first; the configuration's takes over in place. The job
// is neither replaced nor restarted.
func moveNomadJob(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	if req.SourceTypeName != "nomad_job" || !strings.HasSuffix(req.SourceProviderAddress, "/hashicorp/nomad") {
		return
	}
	var source nomadJobState
	if req.SourceRawState == nil || json.Unmarshal(req.SourceRawState.JSON, &source) != nil || source.ID == "" || len(source.TaskGroups) == 0 {
		resp.Diagnostics.AddError("The nomad_job cannot be moved",
			"Its state does not name a job and its groups. Remove the moved block, forget the nomad_job with `terraform state rm`, which "+
				"leaves the job alone, and import the app as <namespace>/<job>/<group>.")
		return
	}
	t := scaler.AppID{Namespace: source.Namespace, Job: source.ID, Group: source.TaskGroups[0].Name}
	if t.Namespace == "" {
		t.Namespace = "default"
	}
	for name, value := range map[string]string{"id": t.String(), "namespace": t.Namespace, "job_id": t.Job, "group": t.Group} {
		resp.Diagnostics.Append(resp.TargetState.SetAttribute(ctx, path.Root(name), value)...)
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.TargetIdentity, t)...)
}
