package provider

import (
	"errors"
	"maps"
	"strconv"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// someTarget stands in where the target is not known or does not matter.
var someTarget = scaler.AppID{Namespace: "default", Job: "job", Group: "group"}

// block makes the scaling block that settings describe, filling in defaults.
// Its error joins a [*scaler.ValueError] for everything that is wrong.
func (s settings) block(t scaler.AppID) (jobspec.Block, error) {
	document := scaler.Document{"namespace": t.Namespace, "job": t.Job, "group": t.Group}
	var errs []error
	for _, f := range fields {
		value, given := s[f.Name]
		if !given {
			continue
		}
		if _, ok := scaler.LookupKey(f.Name); ok {
			document[f.Name] = value
		} else if f.Kind != boolean {
			errs = append(errs, f.Check(value))
		}
	}
	policy, err := scaler.Parse(document)
	errs = append(errs, err, s.checkSource())
	if err := errors.Join(errs...); err != nil {
		return jobspec.Block{}, err
	}
	policy.Enabled = s["enabled"] != "false"
	block := jobspec.NewBlock(policy)
	s.surround(&block)
	return block, block.Check()
}

// checkSource reports a source without the query that it needs.
func (s settings) checkSource() error {
	source, query := s["source"], s["query"]
	ours := source == "" || source == jobspec.Driver
	switch custom := s["metric"] == string(scaler.Custom); {
	case custom && source == "":
		return &scaler.ValueError{Key: "source", Allowed: "set when metric is custom: the name of an APM plugin of the autoscaler"}
	case custom && query == "":
		return &scaler.ValueError{Key: "query", Allowed: "set when metric is custom: what source is asked"}
	case !ours && query == "":
		return &scaler.ValueError{Key: "query", Allowed: "set when source is " + source + ", which cannot be asked for an app"}
	default:
		return nil
	}
}

// surround sets what stands around the policy in its block. The texts have been
// checked.
func (s settings) surround(b *jobspec.Block) {
	if source := s["source"]; source != "" {
		b.Source = source
	}
	if query := s["query"]; query != "" {
		b.Query = query
	}
	if target := s["target"]; target != "" {
		b.Target = target
	}
	if interval, ok := scaler.ParseDuration(s["evaluation_interval"]); ok {
		b.EvaluationInterval = interval
	}
	if n, err := strconv.Atoi(s["hard_min_instances"]); err == nil {
		b.Min = n
	}
	if n, err := strconv.Atoi(s["hard_max_instances"]); err == nil {
		b.Max = n
	}
}

// settingsOf lists every value of a block, so that nothing is left to defaults.
func settingsOf(b jobspec.Block) settings {
	s := settings{
		"enabled":             strconv.FormatBool(b.Policy.Enabled),
		"source":              b.Source,
		"query":               b.Query,
		"target":              b.Target,
		"evaluation_interval": scaler.FormatDuration(b.EvaluationInterval),
		"hard_min_instances":  strconv.Itoa(b.Min),
		"hard_max_instances":  strconv.Itoa(b.Max),
	}
	for key, value := range b.Policy.Document() {
		if _, ok := lookupField(key); ok {
			s[key] = value
		}
	}
	return s
}

// liveSettings are what a group's scaling block says. Of a block that is wrong
// they are its values as they stand, without those that are wrong alone.
func liveSettings(live jobspec.Settings, t scaler.AppID) settings {
	s := settings{
		"enabled":             strconv.FormatBool(live.Enabled),
		"source":              live.Source,
		"query":               live.Query,
		"target":              live.Target,
		"evaluation_interval": live.EvaluationInterval,
		"hard_min_instances":  strconv.Itoa(live.Min),
		"hard_max_instances":  strconv.Itoa(live.Max),
	}
	for key, value := range live.Document {
		if _, ok := lookupField(key); ok {
			s[key] = value
		}
	}
	maps.DeleteFunc(s, func(name, value string) bool {
		f, _ := lookupField(name)
		return f.Kind != boolean && f.Check(value) != nil
	})
	if block, err := s.block(t); err == nil {
		return settingsOf(block)
	}
	return s
}
