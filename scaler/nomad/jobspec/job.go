package jobspec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// Copy returns a copy of a job whose fields and whose groups' fields can be
// replaced.
func Copy(job *api.Job) *api.Job {
	c := new(*job)
	c.TaskGroups = make([]*api.TaskGroup, len(job.TaskGroups))
	for i, group := range job.TaskGroups {
		c.TaskGroups[i] = new(*group)
	}
	return c
}

// withoutBookkeeping returns a copy of a job without the fields that Nomad fills
// in for a version.
func withoutBookkeeping(job *api.Job) *api.Job {
	c := Copy(job)
	c.Stable, c.Version, c.Status, c.StatusDescription = nil, nil, nil, nil
	c.SubmitTime, c.CreateIndex, c.ModifyIndex, c.JobModifyIndex, c.VersionTag = nil, nil, nil, nil, nil
	return c
}

// SameSpecification reports whether two versions of a job differ at most in counts
// and scaling blocks, and in what Nomad fills in for a version.
func SameSpecification(a, b *api.Job) bool {
	specification := func(job *api.Job) *api.Job {
		c := withoutBookkeeping(job)
		for _, group := range c.TaskGroups {
			group.Count, group.Scaling = nil, nil
		}
		return c
	}
	return reflect.DeepEqual(specification(a), specification(b))
}

// Source returns a specification of a job in JSON. It leaves out the scaling block
// of the group, because the policy declares that.
func Source(job *api.Job, group string) (string, error) {
	c := withoutBookkeeping(job)
	c.Stop, c.NomadTokenID = nil, nil
	if g := c.LookupTaskGroup(group); g != nil {
		g.Scaling = nil
	}
	source, err := json.MarshalIndent(map[string]any{"Job": c}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing job %s as JSON: %w", *job.ID, err)
	}
	return string(source), nil
}

// WithDefaults returns a copy of a job with Nomad's defaults filled in.
func WithDefaults(job *api.Job) *api.Job {
	whole := new(api.Job)
	// A job that came from JSON or from Nomad survives the way through JSON.
	text, _ := json.Marshal(job)
	_ = json.Unmarshal(text, whole)
	whole.Canonicalize()
	return whole
}

// Stopped reports whether a job was stopped.
func Stopped(job *api.Job) bool { return job.Stop != nil && *job.Stop }

// Deploys reports whether Nomad makes a deployment of each change of a group.
func Deploys(group *api.TaskGroup) bool {
	return group.Update != nil && *group.Update.MaxParallel != 0
}

// Count returns the count of a group, and whether the job says it.
func Count(job *api.Job, group string) (count int, known bool) {
	if g := job.LookupTaskGroup(group); g != nil && g.Count != nil {
		return *g.Count, true
	}
	return 0, false
}

// SameCounts reports whether b has the counts of all groups of a.
func SameCounts(a, b *api.Job) bool {
	return !slices.ContainsFunc(a.TaskGroups, func(g *api.TaskGroup) bool {
		count, known := Count(b, *g.Name)
		return !known || g.Count == nil || count != *g.Count
	})
}

// ChangedCounts returns the counts that a new specification changes, of groups
// without a scaling block. The author wants these to be set; all other counts stay
// as they are.
func ChangedCounts(before, after *api.Job, scaled string) map[string]int {
	counts := make(map[string]int)
	for _, group := range after.TaskGroups {
		if *group.Name == scaled || group.Scaling != nil || group.Count == nil {
			continue
		}
		if count, known := Count(before, *group.Name); !known || count != *group.Count {
			counts[*group.Name] = *group.Count
		}
	}
	return counts
}

// Clamp returns a count moved into the bounds that Nomad enforces for a block.
func Clamp(count int, scaling *api.ScalingPolicy) int {
	if scaling != nil && scaling.Max != nil {
		count = min(count, int(*scaling.Max))
	}
	if scaling != nil && scaling.Min != nil {
		count = max(count, int(*scaling.Min))
	}
	return count
}
