package nomad

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Driver is the name of the autoscaler's plugin blocks and of its driver, and
// so the name of the binary in the autoscaler's plugin_dir.
const Driver = "nomadscale"

// checkName is the check that a block written here consists of.
const checkName = "load"

// defaultTarget is the target of a policy that names none.
const defaultTarget = "nomad-target"

// evaluationInterval is how often the autoscaler decides by default.
const evaluationInterval = 10 * time.Second

// queryWindow is how far back a check's series reaches: over stop_after_inactive
// and the minute that a decision to shrink looks at, with a minute to spare, so
// that it shows the whole of that time whenever it is asked.
func queryWindow(p scaler.Policy) time.Duration {
	return max(p.StopAfterInactive, time.Minute) + time.Minute
}

// Block is a group's scaling block: a policy and what stands around it.
type Block struct {
	Policy scaler.Policy
	// Min and Max are the bounds that Nomad itself enforces. The policy's own
	// lie within them, so that an override can move those without a new
	// version of the job.
	Min, Max int
	// Source is the APM that measures the load; [Driver] asks the gateways.
	Source string
	// Query is what Source is asked.
	Query string
	// Target is the autoscaler's target plugin that changes the count: the
	// agent's own or [Driver].
	Target string
	// EvaluationInterval is how often the autoscaler decides.
	EvaluationInterval time.Duration
}

// NewBlock puts a policy into a block with everything around it by default: its
// load comes from the gateways, and Nomad enforces the policy's own bounds.
func NewBlock(p scaler.Policy) Block {
	return Block{
		Policy: p,
		Min:    p.MinInstances,
		Max:    p.MaxInstances,
		Source: Driver,
		Query:  Query(p),
		Target: defaultTarget,

		EvaluationInterval: evaluationInterval,
	}
}

// Query is what the gateways are asked for a policy's load, as the autoscaler
// passes it to the apm plugin.
func Query(p scaler.Policy) string { return string(p.Metric) + " " + p.App.String() }

// Render writes the block as the autoscaler reads it. Its cooldowns are as good
// as none, because the policy owns them: the autoscaler knows one for both
// directions and forgets it when it restarts.
func (b Block) Render() *api.ScalingPolicy {
	document := make(map[string]any)
	for key, value := range b.Policy.Document() {
		document[key] = value
	}
	policy := map[string]any{
		"evaluation_interval":  scaler.FormatDuration(b.EvaluationInterval),
		"cooldown":             "1ms",
		"cooldown_on_scale_up": "1ms",
		"check": labelled(checkName, map[string]any{
			"source":       b.Source,
			"query":        b.Query,
			"query_window": scaler.FormatDuration(queryWindow(b.Policy)),
			"strategy":     labelled(Driver, document),
		}),
	}
	if b.Target != defaultTarget {
		policy["target"] = labelled(b.Target, map[string]any{})
	}
	return &api.ScalingPolicy{
		Type:    api.ScalingPolicyTypeHorizontal,
		Enabled: new(b.Policy.Enabled),
		Min:     new(int64(b.Min)),
		Max:     new(int64(b.Max)),
		Policy:  policy,
	}
}

// ParseBlock reads a scaling block. It returns [ErrNotFound] when no check of
// the block uses the nomadscale strategy, and the errors of [scaler.Parse] when
// the policy is wrong.
func ParseBlock(block *api.ScalingPolicy) (Block, error) {
	checks := labels(block.Policy["check"])
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		strategy, ok := labels(checks[name]["strategy"])[Driver]
		if !ok {
			continue
		}
		document := make(scaler.Document, len(strategy))
		for key, value := range strategy {
			document[key] = text(value)
		}
		p, err := scaler.Parse(document)
		if err != nil {
			return Block{}, fmt.Errorf("check %s: %w", name, err)
		}
		p.Enabled = block.Enabled == nil || *block.Enabled
		b := NewBlock(p)
		b.Source, b.Query = text(checks[name]["source"]), text(checks[name]["query"])
		if block.Min != nil {
			b.Min = int(*block.Min)
		}
		if block.Max != nil {
			b.Max = int(*block.Max)
		}
		if interval, ok := scaler.ParseDuration(text(block.Policy["evaluation_interval"])); ok {
			b.EvaluationInterval = interval
		}
		b.Target = target(block)
		if err := b.Check(); err != nil {
			return Block{}, fmt.Errorf("check %s: %w", name, err)
		}
		return b, nil
	}
	return Block{}, fmt.Errorf("a check with strategy %q: %w", Driver, ErrNotFound)
}

// Check reports, as [*scaler.ValueError], bounds of the policy that Nomad would
// refuse.
func (b Block) Check() error {
	var errs []error
	if b.Policy.MinInstances < b.Min {
		errs = append(errs, &scaler.ValueError{Key: "min_instances", Value: text(b.Policy.MinInstances), Allowed: fmt.Sprintf("at least the min of the scaling block, which is %d", b.Min)})
	}
	if b.Policy.MaxInstances > b.Max {
		errs = append(errs, &scaler.ValueError{Key: "max_instances", Value: text(b.Policy.MaxInstances), Allowed: fmt.Sprintf("at most the max of the scaling block, which is %d", b.Max)})
	}
	return errors.Join(errs...)
}

// labelled is a labelled block the way the autoscaler takes it from JSON:
// lists of one around both the label and the body. It drops plain maps.
func labelled(label string, body map[string]any) []any {
	return []any{map[string]any{label: []any{body}}}
}

// labels reads labelled blocks, in that form or as plain maps.
func labels(value any) map[string]map[string]any {
	blocks := make(map[string]map[string]any)
	for _, block := range list(value) {
		byLabel, _ := block.(map[string]any)
		for label, bodies := range byLabel {
			for _, body := range list(bodies) {
				if body, ok := body.(map[string]any); ok {
					blocks[label] = body
				}
			}
		}
	}
	return blocks
}

func list(value any) []any {
	switch value := value.(type) {
	case []any:
		return value
	case []map[string]any:
		all := make([]any, len(value))
		for i := range value {
			all[i] = value[i]
		}
		return all
	case nil:
		return nil
	default:
		return []any{value}
	}
}

// text is how the autoscaler prints a value of a strategy block.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprintf("%v", value)
}
