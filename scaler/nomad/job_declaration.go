package nomad

import (
	"context"
	"errors"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// ErrExists is returned if the job to create already exists.
var ErrExists = errors.New("the job exists already")

// ChangedError is returned if another writer has changed more of a job than its
// counts, which must not be lost.
type ChangedError struct {
	// Paths are the changed values.
	Paths []string
}

func (e *ChangedError) Error() string {
	return "another writer has changed " + strings.Join(e.Paths, ", ")
}

// Declaration is a job to write, with the scaling block of the group that the
// block's policy names.
type Declaration struct {
	// Specification is the job as its author wrote it. Nomad stores it too.
	Specification string
	// Job is the parsed specification, with its namespace filled in.
	Job *api.Job
	// Block is the scaling block of the group.
	Block jobspec.Block
	// Counts are the counts to set, by group. All other counts stay as they are.
	Counts map[string]int
	// Check, unless nil, returns an error if the live job must not be overwritten. It
	// is called before every attempt to update the job.
	Check func(live *api.Job) error
}

// CreateJob writes a job that does not exist yet or that was stopped. The count of
// the group is that of the specification within the policy's bounds, or else
// min_instances. CreateJob returns [ErrExists] if the job is already running.
//
// If it returns an error and a job, Nomad has accepted the job or may have: the
// response was lost, or the job could not be read back, or it is a [*ChangedError].
func (j *Jobs) CreateJob(ctx context.Context, d Declaration) (Written, error) {
	return j.write(ctx, j.edit(d, func(live *api.Job, again bool) (registration, error) {
		if again {
			return d.update(live) // a version was accepted, so the job exists
		}
		return d.create(live)
	}))
}

// UpdateJob writes a job that exists. Counts stay as they are, within the new
// bounds, even if a scaling happens at the same moment. UpdateJob returns
// [ErrNotFound] if there is no such job. If another writer has changed the job
// since, it returns a [*ChangedError] and the job as it was written.
func (j *Jobs) UpdateJob(ctx context.Context, d Declaration) (Written, error) {
	return j.write(ctx, j.edit(d, func(live *api.Job, _ bool) (registration, error) { return d.update(live) }))
}

// edit returns the edit that writes the whole job of a declaration.
func (j *Jobs) edit(d Declaration, prepare func(live *api.Job, again bool) (registration, error)) edit {
	return edit{
		namespace: *d.Job.Namespace,
		job:       *d.Job.ID,
		prepare: func(_ context.Context, live *api.Job, again bool) (registration, error) {
			next, err := prepare(live, again)
			next.submission = &api.JobSubmission{Source: d.Specification, Format: format(d.Specification)}
			return next, err
		},
		verify: func(ctx context.Context, before, ours, live *api.Job) error {
			if err := j.restoreOverwritten(ctx, before, ours); err != nil {
				return err
			}
			return d.verify(before, ours, live)
		},
	}
}

// verify returns [ErrConflict] if a scaling has undone the write, or has left the
// count outside of the bounds. Before is the job that was read, nil for none. If
// another writer has changed the job since, verify returns a [*ChangedError].
func (d Declaration) verify(before, ours, live *api.Job) error {
	if ours != live {
		if changed := jobspec.Changes(ours, live); len(changed) > 0 {
			if before != nil && len(jobspec.Changes(before, live)) == 0 {
				return ErrConflict
			}
			return &ChangedError{Paths: changed}
		}
	}
	if count, known := jobspec.Count(live, d.Block.Policy.App.Group); !known || count < d.Block.Min || count > d.Block.Max {
		return ErrConflict
	}
	return nil
}

// create prepares the first version of the job.
func (d Declaration) create(live *api.Job) (registration, error) {
	next := registration{}
	if live != nil {
		if !jobspec.Stopped(live) {
			return next, ErrExists
		}
		next.index = *live.JobModifyIndex
	}
	job, group := d.withBlock()
	p, count := d.Block.Policy, d.Block.Policy.MinInstances
	if group.Count != nil {
		count = min(max(*group.Count, p.MinInstances), p.MaxInstances)
	}
	group.Count, next.job = &count, job
	return next, nil
}

// update prepares the version that replaces the live job. Nomad preserves counts
// without regard to the bounds. It may therefore preserve them only if all of them
// stay as they are.
func (d Declaration) update(live *api.Job) (registration, error) {
	if live == nil {
		return registration{}, ErrNotFound
	}
	if d.Check != nil {
		if err := d.Check(live); err != nil {
			return registration{}, err
		}
	}
	job, scaled := d.withBlock()
	next := registration{job: job, index: *live.JobModifyIndex, preserve: true}
	for _, group := range job.TaskGroups {
		count, known := jobspec.Count(live, *group.Name)
		if wanted, given := d.Counts[*group.Name]; given {
			next.preserve = next.preserve && known && count == wanted
			group.Count = &wanted
		} else if known {
			group.Count = &count
		}
	}
	if scaled.Count == nil {
		scaled.Count = &d.Block.Policy.MinInstances
	}
	if count := min(max(*scaled.Count, d.Block.Min), d.Block.Max); count != *scaled.Count {
		scaled.Count, next.preserve = &count, false
	}
	return next, nil
}

// withBlock returns a copy of the job whose group has the scaling block, and that
// group.
func (d Declaration) withBlock() (*api.Job, *api.TaskGroup) {
	job := jobspec.Copy(d.Job)
	group := job.LookupTaskGroup(d.Block.Policy.App.Group)
	group.Scaling = d.Block.Render()
	return job, group
}
