package jobspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Drift lists the differences between a job and what was declared, by path, as
// "now (declared before)". The declared values are those of [Flatten].
//
// Drift leaves out the policy of the group, which [ReadSettings] reads. Of a block
// that was added or removed it lists only the block's own path.
func Drift(declared map[string]string, job *api.Job, group string) map[string]string {
	drift := withoutPolicy(declared, Flatten(job), job, group)
	if Stopped(job) {
		drift["stop"] = "true (declared false)"
	}
	return drift
}

// FlattenBlock is [Flatten] for the scaling block of a group alone.
func FlattenBlock(job *api.Job, group string) map[string]string {
	flat, scaling := Flatten(job), scalingPath(group)+"."
	maps.DeleteFunc(flat, func(path, _ string) bool { return !strings.HasPrefix(path, scaling) })
	return flat
}

// BlockDrift is [Drift] for the scaling block of a group alone. The declared values
// are those of [FlattenBlock].
func BlockDrift(declared map[string]string, job *api.Job, group string) map[string]string {
	return withoutPolicy(declared, FlattenBlock(job, group), job, group)
}

// Changes returns the paths whose values differ between two versions of a job, in
// order. Counts do not matter.
func Changes(before, after *api.Job) []string {
	return slices.Sorted(maps.Keys(differences(Flatten(before), Flatten(after))))
}

func scalingPath(group string) string { return join("group", group) + ".scaling" }

// withoutPolicy returns the differences outside of the group's policy.
func withoutPolicy(declared, live map[string]string, job *api.Job, group string) map[string]string {
	declared, scaling := maps.Clone(declared), scalingPath(group)
	for _, path := range policyPaths(job, group) {
		delete(declared, scaling+"."+path)
		delete(live, scaling+"."+path)
	}
	if ScalingBlock(job, group) == nil {
		maps.DeleteFunc(declared, func(path, _ string) bool { return strings.HasPrefix(path, scaling+".") })
	}
	return differences(declared, live)
}

// policyPaths returns the paths within a group's scaling block whose values
// [Settings] has: all except wrong values and the target in the document. If there
// is no policy, it returns all of them, because that says no more than this fact.
func policyPaths(job *api.Job, group string) []string {
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

func differences(declared, live map[string]string) map[string]string {
	drift := make(map[string]string)
	var whole []string
	for _, path := range slices.Sorted(maps.Keys(union(declared, live))) {
		before, was := declared[path]
		now, is := live[path]
		inside := slices.ContainsFunc(whole, func(block string) bool { return strings.HasPrefix(path, block) })
		if inside || (was && is && before == now) {
			continue
		}
		block := before == "" && now == ""
		if block {
			whole = append(whole, path+".")
		}
		switch {
		case block && is:
			drift[path] = "added (not declared)"
		case block:
			drift[path] = "removed (declared)"
		case !is:
			drift[path] = fmt.Sprintf("unset (declared %s)", before)
		case !was:
			drift[path] = fmt.Sprintf("%s (not declared)", now)
		default:
			drift[path] = fmt.Sprintf("%s (declared %s)", now, before)
		}
	}
	return drift
}

func union(a, b map[string]string) map[string]string {
	all := make(map[string]string, len(a))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}
