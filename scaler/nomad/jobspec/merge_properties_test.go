package jobspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// If only one side has changed something, the result is that side. What both sides
// agree on stays.
func TestMergeProperties(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] { return tree(3) })
	rapid.Check(t, func(t *rapid.T) {
		ancestor, changed := value.Draw(t, "ancestor"), value.Draw(t, "changed")
		for name, got := range map[string]any{
			"earlier": merge(ancestor, changed, ancestor),
			"later":   merge(ancestor, ancestor, changed),
			"both":    merge(ancestor, changed, changed),
		} {
			if diff := cmp.Diff(changed, got); diff != "" {
				t.Errorf("changed by %s (-want +got):\n%s", name, diff)
			}
		}
	})
}

// tree generates JSON values of a limited depth.
func tree(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](true), rapid.StringN(0, 2, -1).AsAny())
	if depth == 0 {
		return leaf
	}
	named := rapid.Custom(func(t *rapid.T) any {
		object := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), tree(depth-1), 0, 2).Draw(t, "object")
		object["Name"] = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")
		return object
	})
	return rapid.OneOf(
		leaf,
		rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), tree(depth-1), 0, 3).AsAny(),
		rapid.SliceOfN(tree(depth-1), 0, 3).AsAny(),
		rapid.SliceOfNDistinct(named, 0, 3, nameOf).AsAny(),
	)
}
