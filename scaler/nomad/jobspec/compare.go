package jobspec

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/nomad/api"
)

// PolicyOnly returns the part of a scaling block that a specification contains,
// without the fields that Nomad adds; nil for none.
func PolicyOnly(block *api.ScalingPolicy) *api.ScalingPolicy {
	if block == nil {
		return nil
	}
	return &api.ScalingPolicy{Min: block.Min, Max: block.Max, Policy: block.Policy, Enabled: block.Enabled, Type: block.Type}
}

// SameBlock reports whether two scaling blocks have the same text, apart from the
// fields that Nomad adds.
func SameBlock(a, b *api.ScalingPolicy) bool {
	x, errX := json.Marshal(PolicyOnly(a))
	y, errY := json.Marshal(PolicyOnly(b))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// IsCanonical reports whether a block has the form that [Block.Render] writes.
func IsCanonical(block *api.ScalingPolicy) bool {
	b, err := ParseBlock(block)
	return err == nil && SameBlock(block, b.Render())
}
