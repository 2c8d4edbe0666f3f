package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// wrong lists for each kind values that no key of the kind takes, as they are
// written in HCL, and what the error calls them.
var wrong = map[scaler.Kind]map[string]string{
	scaler.Integer:  {"-1": `is "-1"`},
	scaler.Number:   {"-0.5": `is "-0.5"`},
	scaler.Duration: {`"soon"`: `is "soon"`, "-1": `is "-1"`},
	scaler.String:   {`""`: `must be`},
	scaler.List:     {`["-wrong-"]`: `is "-wrong-"`, `["a", null]`: `is "a,"`, `["a,b"]`: `is "\"a,b\""`},
}

// mistyped is a value of a type that the kind does not take.
var mistyped = map[scaler.Kind]string{
	boolean:         `"maybe"`,
	scaler.Integer:  `"many"`,
	scaler.Number:   `"much"`,
	scaler.Duration: `["1m"]`,
	scaler.String:   `["x"]`,
	scaler.List:     `{ a = 1 }`,
}

// argument writes a field's value where it belongs.
func argument(f field, value string) string {
	switch f.parent {
	case "":
		return fmt.Sprintf("autoscaling = {}\n%s = %s", f.Name, value)
	case routing:
		return fmt.Sprintf("autoscaling = {}\nrouting = { %s = %s }", f.Name, value)
	default:
		return fmt.Sprintf("autoscaling = { %s = %s }", f.Name, value)
	}
}

// invalid plans a resource for each case, all at once, and requires that each
// case's texts are said of its resource.
func invalid(t *testing.T, cases map[string]invalidCase) {
	t.Helper()
	var config strings.Builder
	for name, c := range cases {
		if c.jobspec == "" {
			c.jobspec = spec("invalid", "")
		}
		config.WriteString(app(name, c.jobspec, c.arguments))
	}
	var seen error
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: servers(),
		Steps:                    []resource.TestStep{{Config: configured(config.String()), PlanOnly: true}},
		ErrorCheck:               func(err error) error { seen = err; return nil },
	})
	if seen == nil {
		t.Fatal("nothing was refused")
	}
	errors := strings.Split(seen.Error(), "Error: ")
	for name, c := range cases {
		if !slices.ContainsFunc(errors, func(e string) bool {
			return strings.Contains(e, fmt.Sprintf("%q", name)) && said(c.says).MatchString(e)
		}) {
			t.Errorf("%s: no error of %s says %q", c.arguments, name, c.says)
		}
	}
	if t.Failed() {
		t.Log(seen)
	}
}

// invalidCase is a resource that is to be refused.
type invalidCase struct {
	arguments, says string
	jobspec         string // "" for one that is right
}

func TestEveryRangeIsChecked(t *testing.T) {
	t.Parallel()
	cases := make(map[string]invalidCase)
	for _, f := range fields {
		for value, says := range wrong[f.Kind] {
			name := fmt.Sprintf("%s_%d", f.Name, len(cases))
			cases[name] = invalidCase{arguments: argument(f, value), says: f.path().String() + " " + says}
		}
	}
	invalid(t, cases)
}

func TestEveryTypeIsChecked(t *testing.T) {
	t.Parallel()
	cases := make(map[string]invalidCase)
	for _, f := range fields {
		cases[f.Name] = invalidCase{arguments: argument(f, mistyped[f.Kind]), says: fmt.Sprintf("%q", f.Name)}
	}
	invalid(t, cases)
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	invalid(t, map[string]invalidCase{
		"bounds":      {arguments: `autoscaling = { min_instances = 5, max_instances = 4 }`, says: `autoscaling.min_instances is "5"; it must be at most max_instances, which is 4`},
		"default_max": {arguments: `autoscaling = { min_instances = 11 }`, says: `autoscaling.min_instances is "11"; it must be at most max_instances, which is 10`},
		"no_max":      {arguments: `autoscaling = { max_instances = 0 }`, says: `autoscaling.max_instances is "0"; it must be a whole number from 1`},
		"thresholds":  {arguments: `autoscaling = { scale_down_threshold = 0.9 }`, says: `autoscaling.scale_down_threshold is "0.9"; it must be below scale_up_threshold, which is 0.9`},
		"metric":      {arguments: `autoscaling = { metric = "cpu" }`, says: `autoscaling.metric is "cpu"; it must be requests_per_minute, concurrency or custom`},
		"target":      {arguments: `autoscaling = { metric = "concurrency", target_requests_per_instance = 5 }`, says: `autoscaling.target_requests_per_instance is "5"; it must be unset unless metric is requests_per_minute`},
		"no_target":   {arguments: `autoscaling = { metric = "custom", source = "prometheus", query = "up" }`, says: `autoscaling.target_per_instance must be set when metric is custom`},
		"no_source":   {arguments: `autoscaling = { metric = "custom", target_per_instance = 1, query = "up" }`, says: `autoscaling.source must be set when metric is custom`},
		"no_query":    {arguments: `autoscaling = { metric = "custom", target_per_instance = 1, source = "prometheus" }`, says: `autoscaling.query must be set when metric is custom`},
		"foreign":     {arguments: `autoscaling = { source = "prometheus" }`, says: `autoscaling.query must be set when source is prometheus`},
		"hard_min":    {arguments: `autoscaling = { min_instances = 1, hard_min_instances = 2 }`, says: `autoscaling.min_instances is "1"; it must be at least the min of the scaling block, which is 2`},
		"hard_max":    {arguments: `autoscaling = { max_instances = 5, hard_max_instances = 4 }`, says: `autoscaling.max_instances is "5"; it must be at most the max of the scaling block, which is 4`},
		"interval":    {arguments: `autoscaling = { evaluation_interval = "10ms" }`, says: `autoscaling.evaluation_interval is "10ms"; it must be a duration of at least 1s`},
		"inactive":    {arguments: `autoscaling = { stop_after_inactive = "9s" }`, says: `autoscaling.stop_after_inactive is "9s"; it must be a duration of at least 10s`},
		"cap": {arguments: `autoscaling = { metric = "concurrency", target_concurrency_per_instance = 4 }
		         routing = { max_concurrency_per_instance = 3 }`, says: `routing.max_concurrency_per_instance is "3"; it must be 0 or at least target_concurrency_per_instance, which is 4`},
		"burst": {arguments: `autoscaling = {}
		           routing = { rate_limit_burst = 3 }`, says: `routing.rate_limit_burst is "3"; it must be unset without rate_limit`},
		"no_burst": {arguments: `autoscaling = {}
		              routing = { rate_limit = 3, rate_limit_burst = 0 }`, says: `routing.rate_limit_burst is "0"; it must be at least 1 with rate_limit`},
		"hash": {arguments: `autoscaling = {}
		          routing = { hash_key = "client_address" }`, says: `routing.hash_key is "client_address"; it must be unset unless service_selection_mode is hash`},
		"mode": {arguments: `autoscaling = {}
		          service_selection_mode = "best"`, says: `service_selection_mode is "best"; it must be random, first, last`},
	})
}

// What is unknown hides the rules that it has a part in, and no other.
func TestUnknownValuesHideTheirRulesAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		set     settings
		unknown []string
		want    []string // the fields that are refused
	}{
		{"its own", settings{}, []string{"min_instances"}, nil},
		{"the bound that it is compared with", settings{"min_instances": "20"}, []string{"max_instances"}, nil},
		{"another rule", settings{"min_instances": "20"}, []string{"buffer_instances"}, []string{"min_instances"}},
		{"the metric of a target", settings{"target_per_instance": "5"}, []string{"metric"}, nil},
		{"the metric, with another rule", settings{"target_per_instance": "5", "min_instances": "20"}, []string{"metric"}, []string{"min_instances"}},
		{"the target of a custom metric", settings{"metric": "custom", "source": "x", "query": "y"}, []string{"target_per_instance"}, nil},
		{"the source of a custom metric", settings{"metric": "custom", "target_per_instance": "1", "query": "y"}, []string{"source"}, nil},
		{"the query of a custom metric", settings{"metric": "custom", "target_per_instance": "1", "source": "x"}, []string{"query"}, nil},
		{"the threshold above", settings{"scale_down_threshold": "0.95"}, []string{"scale_up_threshold"}, nil},
		{"the mode of a hash key", settings{"hash_key": "client_address"}, []string{serviceSelectionMode}, nil},
		{"the rate of a burst", settings{"rate_limit_burst": "5"}, []string{"rate_limit"}, nil},
		{"the bound that Nomad enforces", settings{"max_instances": "50"}, []string{"hard_max_instances"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			unknown := make(map[string]bool)
			for _, name := range c.unknown {
				unknown[name] = true
			}
			var got []string
			for _, d := range newScalingModel(c.set, unknown).validate() {
				got = append(got, strings.TrimPrefix(d.Summary(), "Invalid "))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("refused %v, want %v", got, c.want)
			}
		})
	}
}
