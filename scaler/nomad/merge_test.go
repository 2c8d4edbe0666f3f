package nomad

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"
)

func TestMergeJobs(t *testing.T) {
	version := func(edits ...func(*api.Job)) *api.Job {
		j := declaredJob(t)
		for _, edit := range edits {
			edit(j)
		}
		return j
	}
	image := func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["image"] = "web:2" }
	attached := func(j *api.Job) { j.TaskGroups[1].Scaling = j.TaskGroups[0].Scaling }
	detached := func(j *api.Job) { j.TaskGroups[0].Scaling = nil }
	stop := func(j *api.Job) { *j.Stop = true }
	meta := func(j *api.Job) { j.Meta = map[string]string{"team.name": "y", "new": "1"} }
	unset := func(j *api.Job) { delete(j.Meta, "team.name") }
	group := func(j *api.Job) {
		j.TaskGroups = append(j.TaskGroups, &api.TaskGroup{Name: new("cache"), Count: new(1)})
	}
	without := func(j *api.Job) { j.TaskGroups = j.TaskGroups[:1] }
	for _, c := range []struct {
		name                 string
		earlier, later, want *api.Job
	}{
		{"nothing", version(), version(), version()},
		{"one side", version(image, stop), version(), version(image, stop)},
		{"the owner and a policy", version(image, meta), version(attached), version(image, meta, attached)},
		{"two policies", version(detached), version(attached), version(attached, detached)},
		{"stopped meanwhile", version(stop), version(attached), version(stop, attached)},
		{"a group that is new", version(group), version(detached), version(group, detached)},
		{"a group that is gone", version(without), version(detached), version(without, detached)},
		{"a key that is gone", version(unset), version(image), version(unset, image)},
		{"the same by both", version(meta), version(unset), version(func(j *api.Job) { j.Meta = map[string]string{"new": "1"} })},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := mergeJobs(version(), c.earlier, c.later)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Flatten(c.want), Flatten(got)); diff != "" || stopped(got) != stopped(c.want) {
				t.Errorf("stopped: %t, want %t (-want +got):\n%s", stopped(got), stopped(c.want), diff)
			}
			if diff := cmp.Diff(len(c.want.TaskGroups), len(got.TaskGroups)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

// Where only one side has changed something, that side is what comes of it, and
// what two sides agree on stands.
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

// tree makes values of JSON that are no deeper than a number of levels.
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
