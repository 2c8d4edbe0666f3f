package nomad

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// AttachedError tells that a group has a nomadscale policy already.
type AttachedError struct {
	// Target is the group.
	Target scaler.AppID
	// Settings are what the policy says.
	Settings Settings
	// Rendered tells that the block stands as [Block.Render] writes it, and so
	// that it is not by hand.
	Rendered bool
}

// Error names the group.
func (e *AttachedError) Error() string {
	return fmt.Sprintf("group %s of job %s in namespace %s has a nomadscale policy already", e.Target.Group, e.Target.Job, e.Target.Namespace)
}

// Attach puts a scaling block into a group of a job that something else owns. Of
// the job it changes nothing else but the group's count, where that lies outside
// of the block's bounds. It returns the block that stood there before, nil for
// none. It returns [ErrNotFound] when there is no such job, what [CheckGroup]
// does, and an [*AttachedError]. With an error and a job, Nomad has taken the
// block.
func (c *Client) Attach(ctx context.Context, b Block) (Written, *api.ScalingPolicy, error) {
	a, block := attachment{target: b.Policy.App}, b.Render()
	a.choose = func(job *api.Job, again bool) (*api.ScalingPolicy, error) {
		standing := scalingBlock(job, a.target.Group)
		live, err := ReadSettings(job, a.target.Group)
		switch {
		case err != nil:
			a.former = bare(standing)
		case !again || !sameBlock(standing, block):
			return nil, &AttachedError{Target: a.target, Settings: live, Rendered: rendered(standing)}
		}
		return block, nil
	}
	written, err := a.write(ctx, c)
	return written, a.former, err
}

// Reattach is Attach for a group that has a policy, or had one until the owner of
// the job took it out. It returns the block to put back in the end: the former
// one, or what the owner has put in the place of the policy. Check returns an
// error when the policy in a live job must not be written over.
func (c *Client) Reattach(ctx context.Context, b Block, former *api.ScalingPolicy, check func(live *api.Job) error) (Written, *api.ScalingPolicy, error) {
	a, block := attachment{target: b.Policy.App, former: former}, b.Render()
	a.choose = func(job *api.Job, again bool) (*api.ScalingPolicy, error) {
		standing := scalingBlock(job, a.target.Group)
		if !hasPolicy(job, a.target.Group) {
			a.former = bare(standing)
		} else if !again || !sameBlock(standing, block) {
			return block, check(job)
		}
		return block, nil
	}
	written, err := a.write(ctx, c)
	return written, a.former, err
}

// Detach puts a former block back in the place of a policy, or takes the policy
// out when there was none. A job or a group that is gone is no error, and a group
// without a policy stays as it is.
func (c *Client) Detach(ctx context.Context, t scaler.AppID, former *api.ScalingPolicy) error {
	a := attachment{target: t, leaving: true}
	a.choose = func(job *api.Job, _ bool) (*api.ScalingPolicy, error) {
		if hasPolicy(job, t.Group) {
			return former, nil
		}
		return scalingBlock(job, t.Group), nil
	}
	_, err := a.write(ctx, c)
	return err
}

// attachment is a change of the scaling block of a group in a job that something
// else owns.
type attachment struct {
	client *Client
	target scaler.AppID
	// choose is the block that the group is to have in a job, nil for none.
	choose func(job *api.Job, again bool) (*api.ScalingPolicy, error)
	// former is the owner's block.
	former *api.ScalingPolicy
	// leaving tells that there need be no job and no group.
	leaving bool

	// last is the last write, and lost one that went over more than was read.
	last, lost writeOver
}

// writeOver is a write of a block over a job.
type writeOver struct {
	// read is the job as it was read, and version what came after that and was
	// gone over too, or nil.
	read, version *api.Job
	// block is what was written.
	block *api.ScalingPolicy
	// preserved tells that Nomad was to keep the counts.
	preserved bool
}

func (a *attachment) write(ctx context.Context, c *Client) (Written, error) {
	a.client = c
	return c.write(ctx, edit{namespace: a.target.Namespace, job: a.target.Job, prepare: a.prepare, verify: a.verify})
}

// prepare changes the group in the live job, after what a write of ours has lost
// is brought back into it.
func (a *attachment) prepare(ctx context.Context, live *api.Job, again bool) (registration, error) {
	if live == nil {
		if a.leaving {
			return registration{}, nil
		}
		return registration{}, ErrNotFound
	}
	base, owners := live, live
	losing := a.lost.version != nil
	if losing {
		merged, err := mergeJobs(a.lost.read, a.lost.version, live)
		if err != nil {
			return registration{}, err
		}
		if base = merged; sameBlock(scalingBlock(live, a.target.Group), a.lost.block) {
			owners = a.lost.version
		}
	}
	if err := CheckGroup(base, a.target.Group); err != nil && !a.leaving {
		return registration{}, err
	}
	block, err := a.choose(owners, again)
	if err != nil || !losing && a.has(live, block) {
		return registration{}, err
	}
	job := *base
	job.VersionTag = nil // it stays with the version that it was given to
	job.TaskGroups = copyGroups(base.TaskGroups)
	next := registration{job: &job, index: *live.JobModifyIndex, preserve: !losing || a.lost.preserved}
	for _, group := range job.TaskGroups {
		if count, known := liveCount(live, *group.Name); known && next.preserve {
			group.Count = &count
		}
	}
	if group := job.LookupTaskGroup(a.target.Group); group != nil {
		group.Scaling = block
		if count := clamp(*group.Count, block); count != *group.Count {
			group.Count, next.preserve = &count, false
		}
	}
	if next.submission, err = a.submission(ctx, live); err != nil {
		return registration{}, err
	}
	a.last = writeOver{read: live, block: block, preserved: next.preserve}
	return next, nil
}

// submission is that of the live job, or the one that the lost version came with.
func (a *attachment) submission(ctx context.Context, live *api.Job) (*api.JobSubmission, error) {
	current, err := a.client.submission(ctx, live)
	if err != nil || a.lost.version == nil {
		return current, err
	}
	before, err := a.client.submission(ctx, a.lost.read)
	if err != nil {
		return nil, err
	}
	lost, err := a.client.submission(ctx, a.lost.version)
	if err != nil || reflect.DeepEqual(before, lost) {
		return current, err
	}
	return lost, nil
}

// verify demands that the group has its block, and that nothing else was lost.
// Nomad checks the index outside of the transaction that writes, so that a write
// can go over a version that came after the one that was read.
func (a *attachment) verify(ctx context.Context, _, ours, live *api.Job) error {
	a.lost = writeOver{}
	over, err := a.client.unseen(ctx, a.last.read, ours)
	if err != nil {
		return err
	}
	if over != nil && a.last.loses(over) {
		a.lost = a.last
		a.lost.version = over
		return ErrConflict
	}
	block, err := a.choose(live, true)
	if err == nil && !a.has(live, block) {
		err = ErrConflict
	}
	return err
}

// loses reports whether a version says what the job that was read does not.
func (w writeOver) loses(v *api.Job) bool {
	if len(differences(Flatten(w.read), Flatten(v))) > 0 || stopped(w.read) != stopped(v) {
		return true
	}
	return !w.preserved && !sameCounts(v, w.read)
}

func hasPolicy(job *api.Job, group string) bool {
	_, err := ReadSettings(job, group)
	return err == nil
}

// has reports whether the group has the block and a count within its bounds.
func (a *attachment) has(job *api.Job, block *api.ScalingPolicy) bool {
	group := job.LookupTaskGroup(a.target.Group)
	if group == nil {
		return block == nil
	}
	return sameBlock(group.Scaling, block) && clamp(*group.Count, block) == *group.Count
}

// clamp moves a count into the bounds that Nomad enforces.
func clamp(count int, block *api.ScalingPolicy) int {
	if block != nil && block.Max != nil {
		count = min(count, int(*block.Max))
	}
	if block != nil && block.Min != nil {
		count = max(count, int(*block.Min))
	}
	return count
}

// bare is what the specification of a job says of a block, without what Nomad
// adds; nil for none.
func bare(block *api.ScalingPolicy) *api.ScalingPolicy {
	if block == nil {
		return nil
	}
	return &api.ScalingPolicy{Min: block.Min, Max: block.Max, Policy: block.Policy, Enabled: block.Enabled, Type: block.Type}
}

// sameBlock reports whether two blocks say the same in the same words.
func sameBlock(a, b *api.ScalingPolicy) bool {
	x, errX := json.Marshal(bare(a))
	y, errY := json.Marshal(bare(b))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// rendered reports whether a block is as [Block.Render] writes it.
func rendered(block *api.ScalingPolicy) bool {
	b, err := ParseBlock(block)
	return err == nil && sameBlock(block, b.Render())
}
