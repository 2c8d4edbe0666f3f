package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	tfaction "github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// NewScaleAction returns nomadscale_scale, which changes a count now. The count
// is in no state, so the next plan is as it was.
func NewScaleAction() tfaction.Action { return &scaleAction{} }

type scaleAction struct{ actionBase }

var (
	_ tfaction.ActionWithConfigure      = (*scaleAction)(nil)
	_ tfaction.ActionWithValidateConfig = (*scaleAction)(nil)
)

// scaleModel is what the action is given.
type scaleModel struct {
	Namespace types.String `tfsdk:"namespace"`
	JobID     types.String `tfsdk:"job_id"`
	Group     types.String `tfsdk:"group"`
	Instances types.Int64  `tfsdk:"instances"`
	Reason    types.String `tfsdk:"reason"`
	Wait      types.Bool   `tfsdk:"wait"`
	Timeout   types.String `tfsdk:"timeout"`
}

const (
	// scaleReason is what the scaling event says when the configuration gives no
	// reason.
	scaleReason = "scaled by Terraform"
	// scaleTimeout is how long the action takes at most by default.
	scaleTimeout = 5 * time.Minute
)

func (a *scaleAction) Metadata(_ context.Context, req tfaction.MetadataRequest, resp *tfaction.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_scale"
}

func (a *scaleAction) Schema(_ context.Context, _ tfaction.SchemaRequest, resp *tfaction.SchemaResponse) {
	notEmpty := []validator.String{stringvalidator.LengthAtLeast(1)}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Changes the count of a group now, as a person would by hand: to warm an app up before a rush, or to put " +
			"it to sleep. " +
			"The autoscaler goes on from there, so what is to last belongs in the policy or in an override.",
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{Optional: true, Validators: notEmpty, MarkdownDescription: "The namespace of the job. Default: the provider's."},
			"job_id":    schema.StringAttribute{Required: true, Validators: notEmpty, MarkdownDescription: "The ID of the job."},
			"group":     schema.StringAttribute{Required: true, Validators: notEmpty, MarkdownDescription: "The group of the job, with or without a policy."},
			"instances": schema.Int64Attribute{
				Required: true, Validators: []validator.Int64{int64validator.AtLeast(0)},
				MarkdownDescription: "How many instances are to run: at least 0, and within `hard_min_instances` and `hard_max_instances` " +
					"where the group has a policy.",
			},
			"reason": schema.StringAttribute{Optional: true, Validators: notEmpty, MarkdownDescription: "What the scaling event says of the change. Default: `" + scaleReason + "`."},
			"wait":   schema.BoolAttribute{Optional: true, MarkdownDescription: "Wait until so many instances run. Default: `false`."},
			"timeout": schema.StringAttribute{Optional: true, MarkdownDescription: "The most time that the action takes, as `\"90s\"` or " +
				"`\"10m\"`. Default: `5m`."},
		},
	}
}

func (a *scaleAction) ValidateConfig(ctx context.Context, req tfaction.ValidateConfigRequest, resp *tfaction.ValidateConfigResponse) {
	var m scaleModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	_, diags := m.timeout()
	resp.Diagnostics.Append(diags...)
}

func (m scaleModel) timeout() (time.Duration, diag.Diagnostics) {
	if m.Timeout.IsNull() || m.Timeout.IsUnknown() {
		return scaleTimeout, nil
	}
	d, ok := scaler.ParseDuration(m.Timeout.ValueString())
	if !ok || d <= 0 {
		return 0, diag.Diagnostics{invalidValue(&scaler.ValueError{Key: "timeout", Value: m.Timeout.ValueString(), Allowed: "a duration above 0, such as 90s or 10m"})}
	}
	return d, nil
}

// target is the group that the action is for.
func (m scaleModel) target(namespace string) scaler.AppID {
	if !m.Namespace.IsNull() {
		namespace = m.Namespace.ValueString()
	}
	if namespace == "" {
		namespace = api.DefaultNamespace
	}
	return scaler.AppID{Namespace: namespace, Job: m.JobID.ValueString(), Group: m.Group.ValueString()}
}

// Invoke changes the count, tells of it, and waits if it is to.
func (a *scaleAction) Invoke(ctx context.Context, req tfaction.InvokeRequest, resp *tfaction.InvokeResponse) {
	var m scaleModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	client, diags := a.connection.use()
	resp.Diagnostics.Append(diags...)
	timeout, diags := m.timeout()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reason := scaleReason
	if !m.Reason.IsNull() {
		reason = m.Reason.ValueString()
	}
	t, count := m.target(a.connection.namespace), int(m.Instances.ValueInt64())
	before, err := client.ScaleManually(ctx, t, count, reason)
	if err != nil {
		resp.Diagnostics.Append(a.failed(err, t))
		return
	}
	report := func(format string, args ...any) {
		resp.SendProgress(tfaction.InvokeProgressEvent{Message: fmt.Sprintf(format, args...)})
	}
	if before == count {
		report("%s has %d instances already", t, count)
	} else {
		report("%s scales from %d to %d instances", t, before, count)
	}
	resp.Diagnostics.Append(a.reminder(ctx, t, count)...)
	if !m.Wait.ValueBool() {
		return
	}
	err = client.AwaitCount(ctx, t, count, func(running int) { report("%d of %d instances run", running, count) })
	if err != nil {
		why, _ := client.StartFailures(context.WithoutCancel(ctx), t)
		text := strings.Join(append([]string{sentence(err)}, why...), "\n")
		resp.Diagnostics.AddAttributeError(path.Root("instances"), "The instances do not all run",
			fmt.Sprintf("%s\n\nThe count is changed. To look further:\n  nomad job status -namespace=%s %s", text, t.Namespace, t.Job))
	}
}

// reminder warns of a count that the policy's own bounds do not allow, since the
// autoscaler corrects it.
func (a *scaleAction) reminder(ctx context.Context, t scaler.AppID, count int) diag.Diagnostics {
	block, err := a.connection.client.Block(ctx, t)
	if p := block.Policy; err == nil && p.Enabled && (count < p.MinInstances || count > p.MaxInstances) {
		return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("instances"), "The autoscaler will change the count again",
			fmt.Sprintf("The policy of %s keeps %d to %d instances, so the next evaluation leads from %d back there, unless an override "+
				"allows it. To have %[4]d for a while, override the policy.", t, p.MinInstances, p.MaxInstances, count))}
	}
	return nil
}

// failed explains why the count could not be changed.
func (a *scaleAction) failed(err error, t scaler.AppID) diag.Diagnostic {
	var bounds *nomad.BoundsError
	if errors.As(err, &bounds) {
		return diag.NewAttributeErrorDiagnostic(path.Root("instances"), "Invalid instances", fmt.Sprintf(
			"instances is %d; %s has hard_min_instances = %d and hard_max_instances = %d, which Nomad itself enforces. "+
				"Stay within, or change the bounds of the policy first.", bounds.Count, t, bounds.Min, bounds.Max))
	}
	return a.connection.explain(err, "The count could not be changed", "",
		explanation{of: is(jobspec.ErrNoGroup), at: "group", summary: "No such group"},
		explanation{
			of: is(nomad.ErrNotFound), at: "job_id",
			summary: "No such job",
			cause:   fmt.Sprintf("Namespace %s has no job %s.", t.Namespace, t.Job),
			advice:  "See what there is with `nomad job status -namespace='*'`.",
		},
		explanation{of: is(nomad.ErrStopped), at: "job_id", summary: "The job is stopped", advice: "Run it again before it is scaled."},
		explanation{
			of:      is(nomad.ErrLocked),
			summary: "The job is being deployed",
			advice: fmt.Sprintf("Nothing was changed. Invoke the action again when the deployment is over:\n  nomad job deployments "+
				"-namespace=%s %s",
				t.Namespace, t.Job),
		},
		explanation{
			of:      is(nomad.ErrConflict),
			summary: "The count keeps changing",
			advice:  "Something else scales the group at the same time. Invoke the action again.",
		},
	)
}
