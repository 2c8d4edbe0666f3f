package nomad

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Settings is what a group's scaling block says, right or wrong. [ParseBlock]
// is for those who act on it.
type Settings struct {
	// Document is the policy document as it is written.
	Document scaler.Document
	// Enabled is the block's own switch.
	Enabled bool
	// Min and Max are the bounds that Nomad enforces.
	Min, Max int
	// Source and Query are where the load comes from, as in [Block].
	Source, Query string
	// Target is the autoscaler's target plugin, as in [Block].
	Target string
	// EvaluationInterval is how often the autoscaler decides, as it is written.
	EvaluationInterval string

	check string
}

// ReadSettings reads the scaling block of a job's group. It returns
// [ErrNotFound] when the group has no block with the nomadscale strategy.
func ReadSettings(job *api.Job, group string) (Settings, error) {
	block := scalingBlock(job, group)
	if block == nil {
		return Settings{}, fmt.Errorf("the scaling block of group %s of job %s: %w", group, *job.ID, ErrNotFound)
	}
	checks := labels(block.Policy["check"])
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		check := checks[name]
		strategy, ok := labels(check["strategy"])[Driver]
		if !ok {
			continue
		}
		s := Settings{
			Document:           make(scaler.Document, len(strategy)),
			Enabled:            block.Enabled == nil || *block.Enabled,
			Source:             text(check["source"]),
			Query:              text(check["query"]),
			Target:             target(block),
			EvaluationInterval: text(block.Policy["evaluation_interval"]),
			check:              name,
		}
		for key, value := range strategy {
			s.Document[key] = text(value)
		}
		if block.Min != nil {
			s.Min = int(*block.Min)
		}
		if block.Max != nil {
			s.Max = int(*block.Max)
		}
		return s, nil
	}
	return Settings{}, fmt.Errorf("a check with strategy %q in group %s of job %s: %w", Driver, group, *job.ID, ErrNotFound)
}

// target is the target plugin that a block names.
func target(block *api.ScalingPolicy) string {
	for name := range labels(block.Policy["target"]) {
		return name
	}
	return defaultTarget
}

// scalingBlock is the scaling block of a job's group, or nil.
func scalingBlock(job *api.Job, group string) *api.ScalingPolicy {
	if g := job.LookupTaskGroup(group); g != nil {
		return g.Scaling
	}
	return nil
}

// coveredPaths are the paths within a group's scaling block that Settings tells
// of: all but the document's wrong values and what it names as its target. A
// block without a policy lacks all of them, which says no more than that.
func coveredPaths(job *api.Job, group string) []string {
	s, err := ReadSettings(job, group)
	if err != nil {
		s.check = checkName
	}
	check := join("policy.check", s.check)
	paths := []string{"enabled", "min", "max", "policy.evaluation_interval", check + ".source", check + ".query"}
	for _, key := range scaler.Keys() {
		value, given := s.Document[key.Name]
		isTarget := slices.Contains([]string{"namespace", "job", "group"}, key.Name)
		if err != nil || (!isTarget && (!given || key.Check(value) == nil)) {
			paths = append(paths, join(check, "strategy")+"."+Driver+"."+key.Name)
		}
	}
	return paths
}
