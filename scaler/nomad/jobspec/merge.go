package jobspec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// Merge merges two versions of a job that have a common ancestor. The result has
// the changes of both; where both changed the same value, it has the later one's.
func Merge(ancestor, earlier, later *api.Job) (*api.Job, error) {
	var trees [3]any
	for i, job := range []*api.Job{ancestor, earlier, later} {
		text, err := json.Marshal(job)
		if err != nil {
			return nil, fmt.Errorf("writing a version of job %s as JSON: %w", *job.ID, err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber() // a float64 would round large integers
		if err := decoder.Decode(&trees[i]); err != nil {
			return nil, fmt.Errorf("reading a version of job %s as JSON: %w", *job.ID, err)
		}
	}
	text, err := json.Marshal(merge(trees[0], trees[1], trees[2]))
	if err != nil {
		return nil, fmt.Errorf("writing the merged job %s as JSON: %w", *later.ID, err)
	}
	merged := new(api.Job)
	if err := json.Unmarshal(text, merged); err != nil {
		return nil, fmt.Errorf("reading the merged job %s as JSON: %w", *later.ID, err)
	}
	return merged, nil
}

// missing stands for the value of a key that a map does not have.
type missing struct{}

// merge is [Merge] for JSON values. It merges lists by the names of their elements
// if all elements have one; otherwise it takes a list as a whole.
func merge(ancestor, earlier, later any) any {
	switch {
	case reflect.DeepEqual(ancestor, earlier):
		return later
	case reflect.DeepEqual(ancestor, later):
		return earlier
	}
	if a, b, c, ok := three[map[string]any](ancestor, earlier, later); ok {
		return mergeMaps(a, b, c)
	}
	if a, b, c, ok := three[[]any](ancestor, earlier, later); ok {
		return mergeLists(a, b, c)
	}
	return later
}

func mergeLists(ancestor, earlier, later []any) []any {
	a, b, c := byName(ancestor), byName(earlier), byName(later)
	if a == nil || b == nil || c == nil {
		return later
	}
	merged := mergeMaps(a, b, c)
	list := []any{}
	for _, element := range slices.Concat(later, earlier) {
		if value, ok := merged[nameOf(element)]; ok {
			list = append(list, value)
			delete(merged, nameOf(element))
		}
	}
	return list
}

func mergeMaps(ancestor, earlier, later map[string]any) map[string]any {
	merged := maps.Clone(earlier)
	maps.Copy(merged, later)
	for key := range merged {
		merged[key] = merge(lookup(ancestor, key), lookup(earlier, key), lookup(later, key))
	}
	maps.DeleteFunc(merged, func(_ string, value any) bool { return value == any(missing{}) })
	return merged
}

func lookup(m map[string]any, key string) any {
	if value, ok := m[key]; ok {
		return value
	}
	return missing{}
}

// three converts three values to one type, and reports whether all have it.
func three[T any](x, y, z any) (a, b, c T, ok bool) {
	a, okA := x.(T)
	b, okB := y.(T)
	c, okC := z.(T)
	return a, b, c, okA && okB && okC
}

// byName returns the elements of a list by their names, or nil unless each element
// has a name of its own.
func byName(list []any) map[string]any {
	elements := make(map[string]any, len(list))
	for _, element := range list {
		elements[nameOf(element)] = element
	}
	if _, nameless := elements[""]; nameless || len(elements) != len(list) {
		return nil
	}
	return elements
}

func nameOf(element any) string {
	object, _ := element.(map[string]any)
	name, _ := object["Name"].(string)
	return name
}
