package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// gaveWay is an error of a write that went over one of somebody else's, which
// stands again.
type gaveWay struct{ error }

func (e gaveWay) Unwrap() error { return e.error }

// giveWay is for a version that was written over the job before, nil for none. Of
// two writes at once Nomad can accept both. Then the first one is put back, since
// its writer has been told that it stands, and the error is a [gaveWay].
func (c *Client) giveWay(ctx context.Context, before, ours *api.Job) error {
	first, err := c.unseen(ctx, before, ours)
	if err != nil || first == nil {
		return err
	}
	lost := ErrExists
	if before != nil {
		changed := differences(Flatten(before), Flatten(first))
		if len(changed) == 0 && stopped(before) == stopped(first) {
			return nil // a scaling, and counts are preserved
		}
		lost = &ChangedError{Paths: slices.Sorted(maps.Keys(changed))}
		if stopped(before) {
			lost = ErrExists
		}
	}
	return gaveWay{errors.Join(lost, c.putBack(ctx, first, ours))}
}

// putBack writes a version again over the one that went over it.
func (c *Client) putBack(ctx context.Context, first, ours *api.Job) error {
	if len(differences(Flatten(first), Flatten(ours))) == 0 && stopped(first) == stopped(ours) {
		return nil
	}
	submission, err := c.submission(ctx, first)
	if err != nil {
		return err
	}
	job := *first
	job.VersionTag = nil // it stays with the version that it was given to
	_, _, err = c.api.Jobs().RegisterOpts(&job, &api.RegisterOptions{
		EnforceIndex: true, ModifyIndex: *ours.JobModifyIndex, PreserveCounts: sameCounts(first, ours), Submission: submission,
	}, writing(ctx, *ours.Namespace))
	if err = refusal(err); errors.Is(err, ErrConflict) {
		return nil // there is a newer one already
	}
	if err != nil {
		return fmt.Errorf("putting back version %d of the job, which was written over: %w", *first.Version, err)
	}
	return nil
}

// unseen is the version that ours was written over when that is not the one that
// was read, nil for none: Nomad checks the index outside of the transaction that
// writes. It is nil when they are the same one, or Nomad has forgotten it.
func (c *Client) unseen(ctx context.Context, read, ours *api.Job) (*api.Job, error) {
	next := uint64(0)
	if read != nil {
		next = *read.Version + 1
	}
	if *ours.Version <= next {
		return nil, nil
	}
	versions, err := c.versions(ctx, ours)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(versions, func(v *api.Job) bool { return *v.Version == *ours.Version-1 }); i >= 0 {
		return versions[i], nil
	}
	return nil, nil
}

// sameCounts reports whether two versions of a job have the same counts.
func sameCounts(a, b *api.Job) bool {
	return !slices.ContainsFunc(a.TaskGroups, func(g *api.TaskGroup) bool {
		count, known := liveCount(b, *g.Name)
		return !known || g.Count == nil || count != *g.Count
	})
}
