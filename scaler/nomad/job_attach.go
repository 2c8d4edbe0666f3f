package nomad

import (
	"context"
	"fmt"
	"reflect"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// AttachedError is returned if a group already has a nomadscale policy.
type AttachedError struct {
	// App is the group.
	App scaler.AppID
	// Settings are the settings of its scaling block.
	Settings jobspec.Settings
	// Canonical means that the block has the form that [jobspec.Block.Render] writes, so
	// nomadscale has written it and not a person.
	Canonical bool
}

// Error names the group.
func (e *AttachedError) Error() string {
	return fmt.Sprintf("group %s of job %s in namespace %s has a nomadscale policy already", e.App.Group, e.App.Job, e.App.Namespace)
}

// Attach puts a scaling block into a group of a job that has another owner. It
// changes nothing else in the job, except a count outside of the block's bounds. It
// returns the block that was there before, nil for none.
//
// Attach returns [ErrNotFound] if there is no such job, the errors of
// [jobspec.CheckGroup], or an [*AttachedError]. If it returns an error and a job,
// Nomad has accepted the block.
func (j *Jobs) Attach(ctx context.Context, b jobspec.Block) (Written, *api.ScalingPolicy, error) {
	a, block := attachment{app: b.Policy.App}, b.Render()
	a.choose = func(job *api.Job, again bool) (*api.ScalingPolicy, error) {
		current := jobspec.ScalingBlock(job, a.app.Group)
		settings, err := jobspec.ReadSettings(job, a.app.Group)
		switch {
		case err != nil:
			a.former = jobspec.PolicyOnly(current)
		case !again || !jobspec.SameBlock(current, block):
			return nil, &AttachedError{App: a.app, Settings: settings, Canonical: jobspec.IsCanonical(current)}
		}
		return block, nil
	}
	written, err := a.write(ctx, j)
	return written, a.former, err
}

// Reattach is Attach for a group that has a policy, or had one until the owner of
// the job removed it. It returns the block to restore in the end: the former one, or
// what the owner has put in the place of the policy. Check returns an error if the
// policy in a live job must not be overwritten.
func (j *Jobs) Reattach(
	ctx context.Context, b jobspec.Block, former *api.ScalingPolicy, check func(live *api.Job) error,
) (Written, *api.ScalingPolicy, error) {
	a, block := attachment{app: b.Policy.App, former: former}, b.Render()
	a.choose = func(job *api.Job, again bool) (*api.ScalingPolicy, error) {
		current := jobspec.ScalingBlock(job, a.app.Group)
		if !jobspec.HasPolicy(job, a.app.Group) {
			a.former = jobspec.PolicyOnly(current)
		} else if !again || !jobspec.SameBlock(current, block) {
			return block, check(job)
		}
		return block, nil
	}
	written, err := a.write(ctx, j)
	return written, a.former, err
}

// Detach replaces a policy by the former block, or removes it if there was none. A
// job or group that no longer exists is no error. A group without a policy stays as
// it is.
func (j *Jobs) Detach(ctx context.Context, app scaler.AppID, former *api.ScalingPolicy) error {
	a := attachment{app: app, leaving: true}
	a.choose = func(job *api.Job, _ bool) (*api.ScalingPolicy, error) {
		if jobspec.HasPolicy(job, app.Group) {
			return former, nil
		}
		return jobspec.ScalingBlock(job, app.Group), nil
	}
	_, err := a.write(ctx, j)
	return err
}

// attachment is a change of the scaling block of a group in a job that has another
// owner.
type attachment struct {
	jobs *Jobs
	app  scaler.AppID
	// choose returns the block that the group of a job should have, nil for none.
	choose func(job *api.Job, again bool) (*api.ScalingPolicy, error)
	// former is the owner's block.
	former *api.ScalingPolicy
	// leaving accepts that the job or the group does not exist.
	leaving bool

	// last is the last write, and lost a write that has overwritten more than the
	// job that was read.
	last, lost blockWrite
}

// blockWrite is a write of a block into a job.
type blockWrite struct {
	// read is the job as it was read. Overwritten is a later version that was
	// overwritten too, or nil.
	read, overwritten *api.Job
	// block is the block that was written.
	block *api.ScalingPolicy
	// preserved means that Nomad was asked to keep the counts.
	preserved bool
}

func (a *attachment) write(ctx context.Context, j *Jobs) (Written, error) {
	a.jobs = j
	return j.write(ctx, edit{namespace: a.app.Namespace, job: a.app.Job, prepare: a.prepare, verify: a.verify})
}

// prepare changes the group in the live job. Before, it merges a version into the
// job that an earlier attempt has overwritten.
func (a *attachment) prepare(ctx context.Context, live *api.Job, again bool) (registration, error) {
	if live == nil {
		if a.leaving {
			return registration{}, nil
		}
		return registration{}, ErrNotFound
	}
	base, owners := live, live
	restoring := a.lost.overwritten != nil
	if restoring {
		merged, err := jobspec.Merge(a.lost.read, a.lost.overwritten, live)
		if err != nil {
			return registration{}, err
		}
		if base = merged; jobspec.SameBlock(jobspec.ScalingBlock(live, a.app.Group), a.lost.block) {
			owners = a.lost.overwritten
		}
	}
	if err := jobspec.CheckGroup(base, a.app.Group); err != nil && !a.leaving {
		return registration{}, err
	}
	block, err := a.choose(owners, again)
	if err != nil || !restoring && a.has(live, block) {
		return registration{}, err
	}
	job := jobspec.Copy(base)
	job.VersionTag = nil // the tag stays with the version that it was given to
	next := registration{job: job, index: *live.JobModifyIndex, preserve: !restoring || a.lost.preserved}
	for _, group := range job.TaskGroups {
		if count, known := jobspec.Count(live, *group.Name); known && next.preserve {
			group.Count = &count
		}
	}
	if group := job.LookupTaskGroup(a.app.Group); group != nil {
		group.Scaling = block
		if count := jobspec.Clamp(*group.Count, block); count != *group.Count {
			group.Count, next.preserve = &count, false
		}
	}
	if next.submission, err = a.submission(ctx, live); err != nil {
		return registration{}, err
	}
	a.last = blockWrite{read: live, block: block, preserved: next.preserve}
	return next, nil
}

// submission returns the source of the live job, or that of the overwritten version
// if it came with a new one.
func (a *attachment) submission(ctx context.Context, live *api.Job) (*api.JobSubmission, error) {
	current, err := a.jobs.submission(ctx, live)
	if err != nil || a.lost.overwritten == nil {
		return current, err
	}
	before, err := a.jobs.submission(ctx, a.lost.read)
	if err != nil {
		return nil, err
	}
	lost, err := a.jobs.submission(ctx, a.lost.overwritten)
	if err != nil || reflect.DeepEqual(before, lost) {
		return current, err
	}
	return lost, nil
}

// verify returns [ErrConflict] unless the group has its block and nothing else was
// lost. Nomad checks the index outside of the transaction that writes, so a write
// can overwrite a version that is newer than the one that was read.
func (a *attachment) verify(ctx context.Context, _, ours, live *api.Job) error {
	a.lost = blockWrite{}
	version, err := a.jobs.overwrittenVersion(ctx, a.last.read, ours)
	if err != nil {
		return err
	}
	if version != nil && a.last.overwrote(version) {
		a.lost = a.last
		a.lost.overwritten = version
		return ErrConflict
	}
	block, err := a.choose(live, true)
	if err == nil && !a.has(live, block) {
		err = ErrConflict
	}
	return err
}

// overwrote reports whether the write has lost something of a version: something
// that the job that was read does not have.
func (w blockWrite) overwrote(version *api.Job) bool {
	if len(jobspec.Changes(w.read, version)) > 0 || jobspec.Stopped(w.read) != jobspec.Stopped(version) {
		return true
	}
	return !w.preserved && !jobspec.SameCounts(version, w.read)
}

// has reports whether the group has the block and a count within its bounds.
func (a *attachment) has(job *api.Job, block *api.ScalingPolicy) bool {
	group := job.LookupTaskGroup(a.app.Group)
	if group == nil {
		return block == nil
	}
	return jobspec.SameBlock(group.Scaling, block) && jobspec.Clamp(*group.Count, block) == *group.Count
}
