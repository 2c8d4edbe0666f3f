package jobspec

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Driver is the name of the autoscaler's plugin blocks and of their driver. It
// is therefore also the name of the binary in the autoscaler's plugin_dir.
const Driver = "nomadscale"

const (
	// checkName is the name of the check in a block that Render writes.
	checkName = "load"
	// defaultTarget is the target plugin of a block that names none.
	defaultTarget = "nomad-target"
	// defaultEvaluationInterval is how often the autoscaler decides by default.
	defaultEvaluationInterval = 10 * time.Second
)

// Block is the scaling block of a group: a policy and the settings around it.
type Block struct {
	Policy scaler.Policy
	// Min and Max are the bounds that Nomad enforces. The policy's own bounds lie
	// within them, so that an override can move those without a new version of
	// the job.
	Min, Max int
	// Source is the APM that measures the load; [Driver] means the gateways.
	Source string
	// Query is the query for Source.
	Query string
	// Target is the autoscaler's target plugin, which changes the count: the
	// agent's own plugin or [Driver].
	Target string
	// EvaluationInterval is how often the autoscaler decides.
	EvaluationInterval time.Duration
}

// NewBlock returns a block with a policy and the default settings around it: the
// gateways measure the load, and Nomad enforces the policy's own bounds.
func NewBlock(p scaler.Policy) Block {
	return Block{
		Policy: p,
		Min:    p.MinInstances,
		Max:    p.MaxInstances,
		Source: Driver,
		Query:  Query(p),
		Target: defaultTarget,

		EvaluationInterval: defaultEvaluationInterval,
	}
}

// Query returns the query that asks the gateways for the load of a policy, as the
// autoscaler passes it to the apm plugin.
func Query(p scaler.Policy) string { return string(p.Metric) + " " + p.App.String() }

// Bounds returns the bounds that Nomad enforces.
func (b Block) Bounds() scaler.Bounds { return scaler.Bounds{Min: b.Min, Max: b.Max} }

// QueryWindow returns how far back the series of a check reaches. It covers
// stop_after_inactive and the minute that a decision to scale down looks at. One
// more minute ensures that the series covers that time whenever it is queried.
func (b Block) QueryWindow() time.Duration {
	return max(b.Policy.StopAfterInactive, time.Minute) + time.Minute
}

// Check returns a [*scaler.ValueError] for each bound of the policy that Nomad
// would refuse.
func (b Block) Check() error {
	var errs []error
	if b.Policy.MinInstances < b.Min {
		errs = append(errs, &scaler.ValueError{
			Key: "min_instances", Value: text(b.Policy.MinInstances),
			Allowed: fmt.Sprintf("at least the min of the scaling block, which is %d", b.Min),
		})
	}
	if b.Policy.MaxInstances > b.Max {
		errs = append(errs, &scaler.ValueError{
			Key: "max_instances", Value: text(b.Policy.MaxInstances),
			Allowed: fmt.Sprintf("at most the max of the scaling block, which is %d", b.Max),
		})
	}
	return errors.Join(errs...)
}

// CheckTarget returns an error unless the policy names the app whose block it is
// in as its target.
func (b Block) CheckTarget(app scaler.AppID) error {
	if b.Policy.App != app {
		return fmt.Errorf("the policy names %s as its target, but is in the scaling block of %s", b.Policy.App, app)
	}
	return nil
}

// Render writes the block in the form that the autoscaler reads. The cooldowns
// are the shortest possible, because the policy has its own. The autoscaler knows
// only one for both directions, and forgets it when it restarts.
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
			"query_window": scaler.FormatDuration(b.QueryWindow()),
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

// labelled returns a labelled block in the form that the autoscaler accepts from
// JSON: lists of one element around both the label and the body. It ignores plain
// maps.
func labelled(label string, body map[string]any) []any {
	return []any{map[string]any{label: []any{body}}}
}
