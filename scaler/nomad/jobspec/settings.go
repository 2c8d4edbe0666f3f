package jobspec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Settings is what a scaling block with a nomadscale policy contains, valid or
// not.
type Settings struct {
	// Document is the policy document as it is written.
	Document scaler.Document
	// Enabled is the block's own switch.
	Enabled bool
	// Min and Max are the bounds that Nomad enforces.
	Min, Max int
	// Source and Query define where the load comes from, as in [Block].
	Source, Query string
	// Target is the autoscaler's target plugin, as in [Block].
	Target string
	// EvaluationInterval is how often the autoscaler decides, as it is written.
	EvaluationInterval string
	// Err joins what is wrong with the policy, as the errors of [scaler.Parse] and
	// of [Block.Check]; nil if the block is valid.
	Err error

	// check is the name of the check that the policy is in.
	check string
	// block is the valid block; zero with Err.
	block Block
}

// Read reads a scaling block, and notes in the settings what is wrong with it. It
// returns [ErrNotFound] if no check of the block has the nomadscale strategy.
func Read(scaling *api.ScalingPolicy) (Settings, error) {
	checks := labels(scaling.Policy["check"])
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if strategy, ok := labels(checks[name]["strategy"])[Driver]; ok {
			return readCheck(scaling, name, checks[name], strategy), nil
		}
	}
	return Settings{}, fmt.Errorf("a check with strategy %q: %w", Driver, ErrNotFound)
}

func readCheck(scaling *api.ScalingPolicy, name string, check, strategy map[string]any) Settings {
	s := Settings{
		Document:           make(scaler.Document, len(strategy)),
		Enabled:            scaling.Enabled == nil || *scaling.Enabled,
		Source:             text(check["source"]),
		Query:              text(check["query"]),
		Target:             targetPlugin(scaling),
		EvaluationInterval: text(scaling.Policy["evaluation_interval"]),
		check:              name,
	}
	for key, value := range strategy {
		s.Document[key] = text(value)
	}
	if scaling.Min != nil {
		s.Min = int(*scaling.Min)
	}
	if scaling.Max != nil {
		s.Max = int(*scaling.Max)
	}
	block, err := s.parse(scaling)
	if err != nil {
		s.Err = fmt.Errorf("check %s: %w", name, err)
	} else {
		s.block = block
	}
	return s
}

// parse returns the block of the settings. What the scaling block leaves out has
// its default.
func (s Settings) parse(scaling *api.ScalingPolicy) (Block, error) {
	p, err := scaler.Parse(s.Document)
	if err != nil {
		return Block{}, err
	}
	p.Enabled = s.Enabled
	b := NewBlock(p)
	b.Source, b.Query, b.Target = s.Source, s.Query, s.Target
	if scaling.Min != nil {
		b.Min = s.Min
	}
	if scaling.Max != nil {
		b.Max = s.Max
	}
	if interval, ok := scaler.ParseDuration(s.EvaluationInterval); ok {
		b.EvaluationInterval = interval
	}
	return b, b.Check()
}

// ReadSettings reads the scaling block of a group, as [Read] does.
func ReadSettings(job *api.Job, group string) (Settings, error) {
	scaling := ScalingBlock(job, group)
	if scaling == nil {
		return Settings{}, noBlock(job, group)
	}
	s, err := Read(scaling)
	if err != nil {
		err = fmt.Errorf("group %s of job %s: %w", group, *job.ID, err)
	}
	return s, err
}

func noBlock(job *api.Job, group string) error {
	return fmt.Errorf("a scaling block in group %s of job %s: %w", group, *job.ID, ErrNotFound)
}

// HasPolicy reports whether a group has a nomadscale policy, valid or not.
func HasPolicy(job *api.Job, group string) bool {
	_, err := ReadSettings(job, group)
	return err == nil
}

// ParseBlock reads a scaling block that is valid. It returns the errors of [Read]
// and what [Settings.Err] says.
func ParseBlock(scaling *api.ScalingPolicy) (Block, error) {
	s, err := Read(scaling)
	if err != nil {
		return Block{}, err
	}
	return s.block, s.Err
}

// BlockOf returns the valid scaling block of an app. It returns [ErrNoGroup], the
// errors of [ParseBlock], or that of [Block.CheckTarget].
func BlockOf(job *api.Job, app scaler.AppID) (Block, error) {
	group, err := FindGroup(job, app.Group)
	if err != nil {
		return Block{}, err
	}
	if group.Scaling == nil {
		return Block{}, noBlock(job, app.Group)
	}
	b, err := ParseBlock(group.Scaling)
	if err != nil {
		return Block{}, err
	}
	return b, b.CheckTarget(app)
}

// ScalingBlock returns the scaling block of a group, or nil.
func ScalingBlock(job *api.Job, group string) *api.ScalingPolicy {
	if g := job.LookupTaskGroup(group); g != nil {
		return g.Scaling
	}
	return nil
}

// targetPlugin returns the target plugin that a block names.
func targetPlugin(scaling *api.ScalingPolicy) string {
	for name := range labels(scaling.Policy["target"]) {
		return name
	}
	return defaultTarget
}

// labels reads labelled blocks, in the form that [Block.Render] writes or as plain
// maps.
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

// text formats a value of a strategy block as the autoscaler does.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprintf("%v", value)
}
