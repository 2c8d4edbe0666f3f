package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// scalingValidator checks the policy of a resource's configuration with the
// checks of package scaler. Values that are not known yet are left out, and so
// is every rule that they have a part in.
type scalingValidator struct{}

var _ resource.ConfigValidator = scalingValidator{}

func (scalingValidator) Description(context.Context) string {
	return "Every value of the policy is in its range and none contradicts another."
}

func (v scalingValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (scalingValidator) ValidateResource(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m scalingModel
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(autoscaling), &m.Autoscaling)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(serviceSelectionMode), &m.ServiceSelectionMode)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(routing), &m.Routing)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(m.validate()...)
}

// partners are the fields whose values have a part in what is said of a field.
var partners = map[string][]string{
	"min_instances":                   {"max_instances", "hard_min_instances"},
	"max_instances":                   {"hard_max_instances"},
	"target_requests_per_instance":    {"metric"},
	"target_concurrency_per_instance": {"metric"},
	"target_per_instance":             {"metric"},
	"scale_down_threshold":            {"scale_up_threshold", "metric"},
	"source":                          {"metric"},
	"query":                           {"metric", "source"},
	"max_concurrency_per_instance":    {"metric", "target_concurrency_per_instance"},
	"rate_limit_burst":                {"rate_limit"},
	"hash_key":                        {serviceSelectionMode},
}

func (m scalingModel) validate() diag.Diagnostics {
	var diags diag.Diagnostics
	for _, e := range m.wrong() {
		diags.Append(invalidValue(e))
	}
	return diags
}

// wrong lists what is wrong with the policy, as far as it is known.
func (m scalingModel) wrong() []*scaler.ValueError {
	set, unknown := m.settings()
	_, err := set.assume(unknown).block(someTarget)
	return slices.DeleteFunc(scaler.ValueErrors(err), func(e *scaler.ValueError) bool {
		return unknown[e.Key] || slices.ContainsFunc(partners[e.Key], func(p string) bool { return unknown[p] })
	})
}

// assume adds values for what is unknown where its absence alone would be
// wrong, and so would hide what else is.
func (s settings) assume(unknown map[string]bool) settings {
	assumed := settings{}
	for name, value := range s {
		assumed[name] = value
	}
	if unknown["metric"] {
		for _, metric := range []scaler.Metric{scaler.RequestsPerMinute, scaler.Concurrency, scaler.Custom} {
			if _, given := s[metric.TargetKey()]; given || unknown[metric.TargetKey()] {
				assumed["metric"] = string(metric)
			}
		}
	}
	for _, name := range []string{"target_per_instance", "source", "query"} {
		if unknown[name] {
			assumed[name] = "1"
		}
	}
	return assumed
}

// invalidValue is the diagnostic for a value of a policy. Its value is left out
// when there is none.
func invalidValue(e *scaler.ValueError) diag.Diagnostic {
	p := path.Root(e.Key)
	if f, ok := lookupField(e.Key); ok {
		p = f.path()
	}
	return diag.NewAttributeErrorDiagnostic(p, "Invalid "+e.Key, wrongValue(p, e))
}

// wrongValue says what is wrong with the value at a path.
func wrongValue(p path.Path, e *scaler.ValueError) string {
	if e.Value == "" {
		return fmt.Sprintf("%s must be %s.", p, e.Allowed)
	}
	return fmt.Sprintf("%s is %q; it must be %s.", p, e.Value, e.Allowed)
}

// invalidPolicy is the same for every value that an error of package scaler
// names.
func invalidPolicy(err error) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, e := range scaler.ValueErrors(err) {
		diags.Append(invalidValue(e))
	}
	return diags
}

// plan fills a configured policy with its defaults. Texts of before that mean
// the same stay as they are, so that rewriting 300s as 5m changes nothing.
// While a value is unknown, so is everything that is not configured; and while
// the target is, so is the query that names it.
func (m scalingModel) plan(before scalingModel, t *scaler.AppID) (scalingModel, diag.Diagnostics) {
	set, unknown := m.settings()
	if len(unknown) > 0 {
		for _, f := range fields {
			if value := m.value(f); value == nil || value.IsNull() {
				unknown[f.Name] = true
			}
		}
		planned := newScalingModel(set, unknown, before, m)
		planned.keepUnknown(m)
		return planned, nil
	}
	if t == nil {
		t = &someTarget
		if _, given := set["query"]; !given {
			unknown["query"] = true
		}
	}
	block, err := set.block(*t)
	if err != nil {
		return m, invalidPolicy(err)
	}
	return newScalingModel(settingsOf(block), unknown, before, m), nil
}

// keepUnknown makes nested attributes unknown that are so as a whole in the
// configuration.
func (m *scalingModel) keepUnknown(config scalingModel) {
	if config.Autoscaling.IsUnknown() {
		m.Autoscaling = types.ObjectUnknown(attrTypes(autoscaling))
	}
	if config.Routing.IsUnknown() {
		m.Routing = types.ObjectUnknown(attrTypes(routing))
	}
}
