package provider

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// The attributes that hold a policy.
const (
	autoscaling          = "autoscaling"
	serviceSelectionMode = "service_selection_mode"
	routing              = "routing"
)

// field is one value of a policy: a key of the document, or a value of the
// scaling block around it.
type field struct {
	scaler.Key
	// parent is the nested attribute that it stands in; "" is the root.
	parent string
}

// path is where Terraform finds the field.
func (f field) path() path.Path {
	if f.parent == "" {
		return path.Root(f.Name)
	}
	return path.Root(f.parent).AtName(f.Name)
}

// fields lists the values of a policy. The document's keys come with their
// descriptions, defaults and checks from package scaler.
var fields = func() []field {
	all := []field{
		{Key: scaler.Key{Name: "enabled", Kind: boolean, Default: "true", Description: "Whether the autoscaler acts on the policy. An " +
			"app that is not enabled keeps its count."}, parent: autoscaling},
		blockField("source", "namespace", jobspec.Driver, "The autoscaler's APM plugin that measures the load. Required with `query` "+
			"when `metric` is `custom`."),
		blockField("query", "namespace", "`<metric> <namespace>/<job>/<group>`, which asks the gateways",
			"What `source` is asked. Required with `source` when `metric` is `custom`, and whenever `source` is another than `"+jobspec.Driver+"`."),
		blockField("target", "namespace", "nomad-target", "The autoscaler's target plugin that changes the count: the agent's own, or `"+jobspec.Driver+"`, which does not wait for the deployments of earlier changes."),
		blockField("evaluation_interval", "start_timeout", "10s", "How often the autoscaler evaluates the policy."),
		blockField("hard_min_instances", "min_instances", "`min_instances`", "The `min` of the scaling block: Nomad itself refuses any "+
			"count below it."),
		blockField("hard_max_instances", "max_instances", "`max_instances`", "The `max` of the scaling block: Nomad itself refuses a "+
			"count above it. Overrides move `max_instances` up to here without a new version of the job."),
	}
	for _, key := range scaler.Keys() {
		switch key.Name {
		case "namespace", "job", "group": // the target, which the resource names
		case serviceSelectionMode:
			all = append(all, field{Key: key})
		case "hash_key", "max_concurrency_per_instance", "request_timeout", "start_timeout", "max_queued_requests",
			"rate_limit", "rate_limit_burst", "port", "hosts", "path_prefix", "ready_path":
			all = append(all, field{Key: key, parent: routing})
		default:
			all = append(all, field{Key: key, parent: autoscaling})
		}
	}
	return all
}()

// blockField is a value of the scaling block around the document, with the kind and
// the check of a key of the document.
func blockField(name, like, byDefault, description string) field {
	key, _ := scaler.LookupKey(like)
	key.Name, key.Default, key.Description = name, byDefault, description
	if key.Kind == scaler.String {
		key.Allowed = "a text that is not empty"
	}
	return field{Key: key, parent: autoscaling}
}

func lookupField(name string) (field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return field{}, false
}

// scalingSchema is the part of a resource's schema that holds a policy.
func scalingSchema() map[string]schema.Attribute {
	nested := map[string]map[string]schema.Attribute{autoscaling: {}, routing: {}, "": {}}
	for _, f := range fields {
		nested[f.parent][f.Name] = f.kind().attribute(f.describe())
	}
	return map[string]schema.Attribute{
		autoscaling: schema.SingleNestedAttribute{
			Required:            true,
			MarkdownDescription: "How the group scales. `{}` takes every default.",
			Attributes:          nested[autoscaling],
		},
		serviceSelectionMode: nested[""][serviceSelectionMode],
		routing: schema.SingleNestedAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: "How requests reach the instances through the gateway.",
			Attributes:          nested[routing],
		},
	}
}

// kind is how Terraform holds the field.
func (f field) kind() kind { return kinds[f.Kind] }

// describe says what the field means, what it must be and its default.
func (f field) describe() string {
	sentences := []string{f.Description}
	if f.Kind != boolean {
		sentences = append(sentences, "Must be "+markdown(f.allowed())+".")
	}
	byDefault := markdown(f.Default)
	if f.Default != "none" && !strings.ContainsAny(f.Default, " `") {
		byDefault = "`" + f.Default + "`"
	}
	return strings.Join(append(sentences, "Default: "+byDefault+"."), " ")
}

// allowed is what the field must be; Terraform separates the elements of a list
// itself.
func (f field) allowed() string {
	if f.Kind == scaler.List {
		return strings.Replace(f.Allowed, ", separated by commas", "", 1)
	}
	return f.Allowed
}

// markdown keeps a text's placeholders, such as <name>, from being read as HTML.
func markdown(text string) string {
	if strings.Contains(text, "`") {
		return text
	}
	return strings.ReplaceAll(text, "<", `\<`)
}

// attrTypes are the types of a nested attribute's values.
func attrTypes(parent string) map[string]attr.Type {
	all := make(map[string]attr.Type)
	for _, f := range fields {
		if f.parent == parent {
			all[f.Name] = f.kind().valueType
		}
	}
	return all
}
