package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// NewOverrideResource returns nomadscale_override, which changes a policy for a
// while.
func NewOverrideResource() resource.Resource { return &overrideResource{} }

type overrideResource struct{ resourceBase }

var (
	_ resource.ResourceWithConfigure      = (*overrideResource)(nil)
	_ resource.ResourceWithValidateConfig = (*overrideResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*overrideResource)(nil)
	_ resource.ResourceWithImportState    = (*overrideResource)(nil)
	_ resource.ResourceWithIdentity       = (*overrideResource)(nil)
)

// overrideTimeout bounds what is asked of Nomad about one override.
const overrideTimeout = 30 * time.Second

func (r *overrideResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_override"
}

func (r *overrideResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = overrideSchema()
}

// overrideKey is where private state keeps the override that was declared.
const overrideKey = "override"

// declaredOverride is what was last applied or imported.
type declaredOverride struct {
	// Override is what it says, and nil after the import of one that cannot be
	// read. When it has expired, nothing is drift any more.
	Override *scaler.Override `json:"override"`
	// Duration is the one that its end was counted by, or "".
	Duration string `json:"duration,omitempty"`
	// Index is that of the variable as it was written: with another one it is
	// another operator's.
	Index uint64 `json:"index"`
	// Seen is the index at the last refresh, on which the plan stands.
	Seen uint64 `json:"seen"`
}

// ended reports whether what was declared has expired.
func (d declaredOverride) ended(now time.Time) bool {
	return d.Override != nil && !d.Override.Live(now)
}

// says reports whether an override, its end aside, and a duration are those that
// were declared.
func (d declaredOverride) says(o *scaler.Override, duration types.String) bool {
	if d.Override == nil {
		return false
	}
	before, now := *d.Override, *o
	before.ExpiresAt, now.ExpiresAt = time.Time{}, time.Time{}
	return reflect.DeepEqual(before, now) && sameDuration(types.StringValue(d.Duration), duration)
}

// sameDuration reports whether two texts are the same length of time.
func sameDuration(a, b types.String) bool {
	x, okX := scaler.ParseDuration(a.ValueString())
	y, okY := scaler.ParseDuration(b.ValueString())
	return okX && okY && x == y
}

// Create sets the override where there is none, or none that is in force.
func (r *overrideResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan overrideModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, overrideTimeout)
	defer cancel()
	index, diags := r.place(ctx, client, plan.target())
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.apply(ctx, client, plan, index, &resp.State, resp.Identity, resp.Private)...)
}

// Update sets the override in the place of what the plan was made on. One that
// has ended is set like a new one.
func (r *overrideResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan overrideModelV0
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	var declared declaredOverride
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, overrideKey, &declared)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, overrideTimeout)
	defer cancel()
	index := declared.Seen
	if declared.ended(r.connection.now()) {
		index, diags = r.place(ctx, client, plan.target())
		resp.Diagnostics.Append(diags...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.apply(ctx, client, plan, index, &resp.State, resp.Identity, resp.Private)...)
}

// Delete ends the override, if it is still the one that was applied here.
func (r *overrideResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state overrideModelV0
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	var declared declaredOverride
	resp.Diagnostics.Append(readPrivate(ctx, req.Private, overrideKey, &declared)...)
	client, diags := r.connection.use()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, overrideTimeout)
	defer cancel()
	t := state.target()
	o, err := client.Override(ctx, t)
	if err == nil && o.ModifyIndex == declared.Index {
		err = client.ClearOverride(ctx, t, declared.Index)
	}
	switch {
	case errors.Is(err, nomad.ErrNotFound):
	case err == nil && o.ModifyIndex == declared.Index:
	case err == nil && o.Override != nil && !o.Override.Live(r.connection.now()):
	case err == nil, errors.Is(err, nomad.ErrConflict):
		resp.Diagnostics.AddWarning("Another operator's override stays",
			fmt.Sprintf("The override of %s was changed outside of Terraform, so it is not removed. To end it:\n\n  nomadscale override "+
				"clear %s", t, t))
	default:
		resp.Diagnostics.AddError("The override could not be cleared", sentence(err)+"\n\n"+r.connection.reach())
	}
}

// place is the index of what a new override takes the place of: 0, or that of one
// that has expired. It refuses one that is in force or that cannot be read.
func (r *overrideResource) place(ctx context.Context, client *nomad.Client, t scaler.AppID) (uint64, diag.Diagnostics) {
	now := r.connection.now()
	o, err := client.Override(ctx, t)
	switch {
	case errors.Is(err, nomad.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, diag.Diagnostics{diag.NewErrorDiagnostic("The override could not be read", sentence(err)+"\n\n"+r.connection.reach())}
	case o.Override != nil && !o.Override.Live(now):
		return o.ModifyIndex, nil
	}
	return 0, diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("job_id"), "The app has an override already",
		fmt.Sprintf("%s: %s. It is not in the state of this resource. To manage it here, import it:\n\n  terraform import "+
			"nomadscale_override.<name> %s\n\nOr end it, and apply again:\n\n  nomadscale override clear %s",
			t, inForce(o, now), t, t))}
}

// inForce describes an override that an operator has set.
func inForce(o nomad.AppOverride, now time.Time) string {
	if o.Override == nil {
		return "it cannot be read, for " + o.Err.Error()
	}
	words := o.Override.Changes() + " until " + o.Override.Until(now)
	if o.Override.By != "" {
		words += ", by " + o.Override.By
	}
	if o.Override.Reason != "" {
		words += ": " + o.Override.Reason
	}
	return words
}

// apply sets the planned override in the place of the one with that index, and
// keeps it as what was declared.
func (r *overrideResource) apply(ctx context.Context, client *nomad.Client, plan overrideModelV0, index uint64, state *tfsdk.State, identity *tfsdk.ResourceIdentity, private privateWriter) diag.Diagnostics {
	declared, diags := r.set(ctx, client, &plan, index)
	if diags.HasError() {
		return diags
	}
	diags.Append(state.Set(ctx, plan)...)
	diags.Append(setIdentity(ctx, identity, plan.target())...)
	diags.Append(keepPrivate(ctx, private, overrideKey, declared)...)
	return diags
}

// set sets the override that is planned, and fills in when it ends.
func (r *overrideResource) set(ctx context.Context, client *nomad.Client, plan *overrideModelV0, index uint64) (declaredOverride, diag.Diagnostics) {
	now, t := r.connection.now(), plan.target()
	if plan.ExpiresAt.IsUnknown() {
		d, err := lasts(plan.Duration)
		if err != nil {
			return declaredOverride{}, invalidOverride(err)
		}
		plan.ExpiresAt = momentValue(now.Add(d).Truncate(time.Second))
	}
	o, err := plan.override(now)
	if err == nil {
		index, err = client.SetOverride(ctx, t, o, index, now)
	}
	if err != nil {
		return declaredOverride{}, r.setFailed(err, t)
	}
	plan.ID = types.StringValue(t.String())
	return declaredOverride{Override: o, Duration: plan.Duration.ValueString(), Index: index, Seen: index}, nil
}

// setFailed explains why an override could not be set.
func (r *overrideResource) setFailed(err error, t scaler.AppID) diag.Diagnostics {
	if len(scaler.ValueErrors(err)) > 0 {
		return invalidOverride(err)
	}
	return diag.Diagnostics{r.connection.explain(err, "The override could not be set", "",
		explanation{
			of:      is(nomad.ErrConflict),
			summary: "The override has changed",
			cause:   fmt.Sprintf("Another operator has changed or cleared the override of %s since this was planned.", t),
			advice:  "That override stays. Plan again.",
		},
		explanation{
			of: is(nomad.ErrNotFound), at: "job_id",
			summary: "There is no such app",
			advice: "Only a group with a nomadscale policy can be overridden: declare it first, with nomadscale_app or " +
				"nomadscale_policy, and refer to that from here.",
		},
	)}
}

// overridden are the attributes that an error of package scaler can name; any
// other value that an override does not fit is the policy's, and target the one
// that contradicts it.
var overridden = []string{"min_instances", "max_instances", "buffer_instances", "hold", "expires_at", "duration", "reason", "by"}

// invalidOverride is a diagnostic for every value that an error of package scaler
// names, with what to do.
func invalidOverride(err error) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, e := range scaler.ValueErrors(err) {
		if text := ""; json.Unmarshal([]byte(e.Value), &text) == nil {
			e = &scaler.ValueError{Key: e.Key, Value: text, Allowed: e.Allowed}
		}
		p := path.Root("target")
		for _, name := range overridden {
			if name == e.Key {
				p = path.Root(name)
			}
		}
		detail := wrongValue(p, e)
		if e.Key != p.String() {
			detail = wrongValue(path.Root(e.Key), e)
		}
		switch {
		case e.Key == "override":
			diags.AddError("Nothing is overridden", "At least one of min_instances, max_instances, buffer_instances, target and hold must be given.")
			continue
		case strings.Contains(e.Allowed, "of the scaling block"):
			detail += " Nomad itself refuses a count beyond it. Widen hard_min_instances and hard_max_instances in the app's policy " +
				"first; when the same run is to do that, apply the app alone before, with -target."
		case e.Key == "min_instances" || e.Key == "max_instances" || e.Key != p.String():
			detail += " What the override leaves out is as in the app's policy."
		}
		diags.AddAttributeError(p, "Invalid "+e.Key, detail)
	}
	return diags
}
