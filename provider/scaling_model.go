package provider

import (
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// scalingModel is the part of a resource's model that holds a policy. Its nested
// attributes stay objects: their fields are listed once, in fields.
type scalingModel struct {
	Autoscaling          types.Object `tfsdk:"autoscaling"`
	ServiceSelectionMode types.String `tfsdk:"service_selection_mode"`
	Routing              types.Object `tfsdk:"routing"`
}

// settings are the values of a policy as texts, by the names of their fields. A
// value that is not set is missing.
type settings map[string]string

// value is what the model holds for a field, or nil where it holds nothing.
func (m scalingModel) value(f field) attr.Value {
	switch f.parent {
	case autoscaling:
		return within(m.Autoscaling, f)
	case routing:
		return within(m.Routing, f)
	default:
		return m.ServiceSelectionMode
	}
}

func within(object types.Object, f field) attr.Value {
	if object.IsUnknown() {
		return f.kind().unknown()
	}
	return object.Attributes()[f.Name]
}

// settings reads the values that are set, and the names of those that are not
// known yet.
func (m scalingModel) settings() (set settings, unknown map[string]bool) {
	set, unknown = make(settings), make(map[string]bool)
	for _, f := range fields {
		value := m.value(f)
		switch {
		case value == nil || value.IsNull():
		case !known(value):
			unknown[f.Name] = true
		default:
			if s := textOf(value); s != "" || f.Kind != scaler.List {
				set[f.Name] = s
			}
		}
	}
	return set, unknown
}

// known reports whether a value and all of its elements are.
func known(value attr.Value) bool {
	if list, ok := value.(types.List); ok {
		for _, element := range list.Elements() {
			if element.IsUnknown() {
				return false
			}
		}
	}
	return !value.IsUnknown()
}

// textOf writes a known value as the policy document would.
func textOf(value attr.Value) string {
	switch v := value.(type) {
	case types.Bool:
		return strconv.FormatBool(v.ValueBool())
	case types.Int64:
		return strconv.FormatInt(v.ValueInt64(), 10)
	case types.Float64:
		return strconv.FormatFloat(v.ValueFloat64(), 'f', -1, 64)
	case types.List:
		elements := make([]string, 0, len(v.Elements()))
		for _, element := range v.Elements() {
			text := textOf(element)
			if strings.Contains(text, ",") {
				text = strconv.Quote(text) // stays one wrong element
			}
			elements = append(elements, text)
		}
		return strings.Join(elements, ",")
	case types.String:
		return v.ValueString()
	default:
		return ""
	}
}

// newScalingModel holds a policy's settings and, in the fields that are unknown,
// no value yet. Where one of the models before says the same in another way, it
// keeps that way: first comes first.
func newScalingModel(set settings, unknown map[string]bool, before ...scalingModel) scalingModel {
	nested := map[string]map[string]attr.Value{autoscaling: {}, routing: {}, "": {}}
	for _, f := range fields {
		nested[f.parent][f.Name] = pick(f, set, unknown, before)
	}
	mode, _ := nested[""][serviceSelectionMode].(types.String)
	return scalingModel{
		Autoscaling:          types.ObjectValueMust(attrTypes(autoscaling), nested[autoscaling]),
		ServiceSelectionMode: mode,
		Routing:              types.ObjectValueMust(attrTypes(routing), nested[routing]),
	}
}

func pick(f field, set settings, unknown map[string]bool, before []scalingModel) attr.Value {
	if unknown[f.Name] {
		return f.kind().unknown()
	}
	s, given := set[f.Name]
	for _, m := range before {
		value := m.value(f)
		if value == nil || value.IsNull() || !known(value) {
			continue
		}
		if written := textOf(value); f.kind().same(written, s) && (given || written == "") {
			return value
		}
	}
	if !given {
		return f.kind().null()
	}
	return f.kind().value(s)
}

// noScaling is the model of a group without a policy.
func noScaling() scalingModel {
	return scalingModel{
		Autoscaling:          types.ObjectNull(attrTypes(autoscaling)),
		ServiceSelectionMode: types.StringNull(),
		Routing:              types.ObjectNull(attrTypes(routing)),
	}
}

// equal reports whether two models hold the same values, written the same way.
func (m scalingModel) equal(other scalingModel) bool {
	return m.Autoscaling.Equal(other.Autoscaling) && m.ServiceSelectionMode.Equal(other.ServiceSelectionMode) && m.Routing.Equal(other.Routing)
}

// changes lists by path the fields that a later model holds other values for.
func (m scalingModel) changes(later scalingModel) []string {
	var paths []string
	for _, f := range fields {
		before, now := m.value(f), later.value(f)
		if absent := isAbsent(before); absent != isAbsent(now) || (!absent && !before.Equal(now)) {
			paths = append(paths, f.path().String())
		}
	}
	return paths
}

func isAbsent(v attr.Value) bool { return v == nil || v.IsNull() }
