package provider

import (
	"math/big"
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
		return unknownValue(f)
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

// valueOf is the field's value for a text that its check accepts.
func valueOf(f field, s string) attr.Value {
	switch f.Kind {
	case boolean:
		return types.BoolValue(s == "true")
	case scaler.Integer:
		n, _, _ := new(big.Float).Parse(s, 10) // 1e+06 is an integer too
		i, _ := n.Int64()
		return types.Int64Value(i)
	case scaler.Number:
		n, _ := strconv.ParseFloat(s, 64)
		return types.Float64Value(n)
	case scaler.List:
		var elements []attr.Value
		for element := range strings.SplitSeq(s, ",") {
			elements = append(elements, types.StringValue(strings.TrimSpace(element)))
		}
		return types.ListValueMust(types.StringType, elements)
	default:
		return types.StringValue(s)
	}
}

func nullValue(f field) attr.Value {
	switch f.Kind {
	case boolean:
		return types.BoolNull()
	case scaler.Integer:
		return types.Int64Null()
	case scaler.Number:
		return types.Float64Null()
	case scaler.List:
		return types.ListNull(types.StringType)
	default:
		return types.StringNull()
	}
}

func unknownValue(f field) attr.Value {
	switch f.Kind {
	case boolean:
		return types.BoolUnknown()
	case scaler.Integer:
		return types.Int64Unknown()
	case scaler.Number:
		return types.Float64Unknown()
	case scaler.List:
		return types.ListUnknown(types.StringType)
	default:
		return types.StringUnknown()
	}
}

// same reports whether two texts mean the same value: 5m is 300s.
func (f field) same(a, b string) bool {
	switch f.Kind {
	case scaler.Integer, scaler.Number:
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return errX == nil && errY == nil && x == y
	case scaler.Duration:
		x, okX := scaler.ParseDuration(a)
		y, okY := scaler.ParseDuration(b)
		return okX && okY && x == y
	case scaler.List:
		squeeze := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
		return squeeze(a) == squeeze(b)
	default:
		return a == b
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
		return unknownValue(f)
	}
	s, given := set[f.Name]
	for _, m := range before {
		value := m.value(f)
		if value == nil || value.IsNull() || !known(value) {
			continue
		}
		if written := textOf(value); f.same(written, s) && (given || written == "") {
			return value
		}
	}
	if !given {
		return nullValue(f)
	}
	return valueOf(f, s)
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
