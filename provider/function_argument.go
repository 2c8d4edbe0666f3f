package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// policyParameter is a function's parameter for a policy. Its type is open,
// because an object type would ask for every attribute.
var policyParameter = function.DynamicParameter{
	Name: "policy",
	MarkdownDescription: "An object with the attributes `autoscaling` and, if need be, `service_selection_mode` and `routing`, each " +
		"as in `nomadscale_app`. " +
		"What is left out or null has its default.",
}

// readPolicy makes the scaling block that a function's argument describes.
func readPolicy(argument types.Dynamic, position int64, t scaler.AppID) (jobspec.Block, *function.FuncError) {
	set := make(settings)
	err := eachAttribute("the policy", argument.UnderlyingValue(), []string{autoscaling, serviceSelectionMode, routing}, func(parent string, value attr.Value) error {
		if parent == serviceSelectionMode {
			return set.take(field{Key: scaler.Key{Name: parent}}, value)
		}
		return eachAttribute(parent, value, fieldNames(parent), func(name string, value attr.Value) error {
			return set.take(field{Key: scaler.Key{Name: name}, parent: parent}, value)
		})
	})
	if err != nil {
		return jobspec.Block{}, function.NewArgumentFuncError(position, err.Error())
	}
	block, err := set.block(t)
	if err == nil {
		return block, nil
	}
	var said []string
	for _, e := range scaler.ValueErrors(err) {
		said = append(said, invalidValue(e).Detail())
	}
	return jobspec.Block{}, function.NewArgumentFuncError(position, strings.TrimSuffix(strings.Join(said, " "), "."))
}

// take reads the value of a field.
func (s settings) take(f field, value attr.Value) error {
	text, ok := textOfAny(value)
	if !ok {
		return fmt.Errorf("%s must be a single value or a list of them", f.path())
	}
	s[f.Name] = text
	return nil
}

func fieldNames(parent string) []string {
	var names []string
	for _, f := range fields {
		if f.parent == parent {
			names = append(names, f.Name)
		}
	}
	return names
}

// eachAttribute goes through the attributes of an object that are not null. It
// refuses others than those allowed.
func eachAttribute(what string, value attr.Value, allowed []string, do func(name string, value attr.Value) error) error {
	if dynamic, ok := value.(types.Dynamic); ok {
		value = dynamic.UnderlyingValue()
	}
	var attributes map[string]attr.Value
	switch v := value.(type) {
	case types.Object:
		attributes = v.Attributes()
	case types.Map:
		attributes = v.Elements()
	default:
		return fmt.Errorf("%s must be an object with the attributes %s", what, strings.Join(allowed, ", "))
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		switch value := attributes[name]; {
		case !slices.Contains(allowed, name):
			errs = append(errs, fmt.Errorf("%s has no attribute %q: it may have %s", what, name, strings.Join(allowed, ", ")))
		case !value.IsNull():
			errs = append(errs, do(name, value))
		}
	}
	return errors.Join(errs...)
}

// textOfAny is textOf for a value whose type the configuration has chosen.
func textOfAny(value attr.Value) (text string, ok bool) {
	switch v := value.(type) {
	case types.Dynamic:
		return textOfAny(v.UnderlyingValue())
	case types.Number:
		return v.ValueBigFloat().Text('f', -1), true
	case types.Bool, types.String, types.Int64, types.Float64, types.List:
		return textOf(v), true
	case types.Tuple:
		texts := make([]attr.Value, len(v.Elements()))
		for i, element := range v.Elements() {
			text, ok := textOfAny(element)
			if !ok {
				return "", false
			}
			texts[i] = types.StringValue(text)
		}
		return textOf(types.ListValueMust(types.StringType, texts)), true
	default:
		return "", false
	}
}
