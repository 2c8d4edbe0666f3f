package nomad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// overwriteError is the error of a write that has overwritten a version of another
// writer, which is restored.
type overwriteError struct{ error }

func (e overwriteError) Unwrap() error { return e.error }

// restoreOverwritten restores the version that ours has overwritten, if there is
// one, and returns an [overwriteError]. Before is the job that was read, nil for none.
//
// Nomad can accept both of two simultaneous writes. The first is restored, because
// its writer was told that it was accepted.
func (j *Jobs) restoreOverwritten(ctx context.Context, before, ours *api.Job) error {
	first, err := j.overwrittenVersion(ctx, before, ours)
	if err != nil || first == nil {
		return err
	}
	lost := ErrExists
	if before != nil {
		changed := jobspec.Changes(before, first)
		if len(changed) == 0 && jobspec.Stopped(before) == jobspec.Stopped(first) {
			return nil // a scaling, and counts are preserved
		}
		lost = &ChangedError{Paths: changed}
		if jobspec.Stopped(before) {
			lost = ErrExists
		}
	}
	return overwriteError{errors.Join(lost, j.restore(ctx, first, ours))}
}

// restore writes a version again over the one that has overwritten it.
func (j *Jobs) restore(ctx context.Context, first, ours *api.Job) error {
	if len(jobspec.Changes(first, ours)) == 0 && jobspec.Stopped(first) == jobspec.Stopped(ours) {
		return nil
	}
	submission, err := j.submission(ctx, first)
	if err != nil {
		return err
	}
	job := *first
	job.VersionTag = nil // the tag stays with the version that it was given to
	_, _, err = j.api.Jobs().RegisterOpts(&job, &api.RegisterOptions{
		EnforceIndex: true, ModifyIndex: *ours.JobModifyIndex, PreserveCounts: jobspec.SameCounts(first, ours), Submission: submission,
	}, writeOptions(ctx, *ours.Namespace))
	if err = refusal(err); errors.Is(err, ErrConflict) {
		return nil // there is already a newer version
	}
	if err != nil {
		return fmt.Errorf("restoring version %d of the job, which was overwritten: %w", *first.Version, err)
	}
	return nil
}

// overwrittenVersion returns the version that ours was written over, unless that is
// the job that was read. It returns nil if it is, or if Nomad has forgotten the
// version. They can differ, because Nomad checks the index outside of the
// transaction that writes.
func (j *Jobs) overwrittenVersion(ctx context.Context, read, ours *api.Job) (*api.Job, error) {
	next := uint64(0)
	if read != nil {
		next = *read.Version + 1
	}
	if *ours.Version <= next {
		return nil, nil
	}
	versions, err := j.versions(ctx, ours)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(versions, func(v *api.Job) bool { return *v.Version == *ours.Version-1 }); i >= 0 {
		return versions[i], nil
	}
	return nil, nil
}
