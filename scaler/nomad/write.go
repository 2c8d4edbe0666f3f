package nomad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Written is a job right after it was written.
type Written struct {
	// Job is the job as Nomad keeps it.
	Job *api.Job
	// Evaluation is the ID of the evaluation that places its allocations; "" when
	// there was nothing to write. EvaluationIndex is where it began.
	Evaluation      string
	EvaluationIndex uint64
	// Warnings is what Nomad remarks on the specification, or "".
	Warnings string
}

const (
	// attempts is how often a write is tried while others write the same job.
	attempts = 8
	// conflictPause grows with each attempt.
	conflictPause = 50 * time.Millisecond
	// writeTimeout bounds one attempt, even when the caller is interrupted.
	writeTimeout = time.Minute
)

// edit is a change of a job.
type edit struct {
	namespace, job string
	// prepare makes the next version of the live job, which is nil when there is
	// none. Again tells that Nomad has taken a version already.
	prepare func(ctx context.Context, live *api.Job, again bool) (registration, error)
	// verify returns [ErrConflict] when the live job is to be written again. Before
	// is the one that was written over, nil for none, and ours is the version that
	// was written.
	verify func(ctx context.Context, before, ours, live *api.Job) error
}

// registration is one try at writing a job over what is there.
type registration struct {
	// job is the next version, or nil when there is nothing to write.
	job *api.Job
	// index is the one that the live job must still have; 0 when there is none.
	index uint64
	// preserve keeps the live counts even if they change in the meantime.
	preserve bool
	// submission is kept with the version, as the source of the job; nil for none.
	submission *api.JobSubmission
}

// write tries until what it wrote is what Nomad has, because Nomad checks the
// index outside of the transaction that writes: a scaling that began before a
// write can still undo it. An interruption ends it between two tries, so that it
// is known what has become of each. With an error and a job, Nomad has taken the
// job, or may have.
func (c *Client) write(ctx context.Context, e edit) (Written, error) {
	var written Written
	turn := e.namespace + "/" + e.job
	err := c.turns.take(ctx, turn)
	if err == nil {
		defer c.turns.leave(turn)
		err = ErrConflict
	}
	for attempt := 0; errors.Is(err, ErrConflict) && attempt < attempts; attempt++ {
		if attempt > 0 {
			wait(ctx, time.Duration(attempt)*conflictPause)
		}
		if err = ctx.Err(); err == nil {
			err = c.try(context.WithoutCancel(ctx), e, &written)
		}
	}
	if err != nil {
		err = fmt.Errorf("writing job %s in namespace %s: %w", e.job, e.namespace, err)
	}
	return written, err
}

// try reads the job, registers it and reads it back, once.
func (c *Client) try(ctx context.Context, e edit, written *Written) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	before, err := c.ReadJob(ctx, e.namespace, e.job)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	next, err := e.prepare(ctx, before, written.Job != nil)
	if err != nil {
		return err
	}
	if next.job == nil {
		written.Job = before
		return nil
	}
	response, _, err := c.api.Jobs().RegisterOpts(next.job, &api.RegisterOptions{
		EnforceIndex:   true,
		ModifyIndex:    next.index,
		PreserveCounts: next.preserve,
		Submission:     next.submission,
	}, writing(ctx, e.namespace))
	if err != nil {
		if mayBeDone(err) && !c.absent(ctx, e.namespace, e.job) {
			written.Job = next.job
		}
		return needs("submit-job", e.namespace, refusal(err))
	}
	*written = Written{Job: next.job, Evaluation: response.EvalID, EvaluationIndex: response.EvalCreateIndex, Warnings: response.Warnings}
	live, err := c.ReadJob(ctx, e.namespace, e.job)
	if err != nil {
		return err
	}
	ours := live
	if *live.JobModifyIndex != response.JobModifyIndex {
		if ours, err = c.versionAt(ctx, live, response.JobModifyIndex); err != nil {
			return err
		}
	}
	written.Job = ours
	err = e.verify(ctx, before, ours, live)
	if errors.As(err, new(gaveWay)) {
		*written = Written{}
	}
	return err
}

// mayBeDone reports whether Nomad may have done what it was asked for although
// there is an error: the answer was lost, or a server failed on the way.
func mayBeDone(err error) bool {
	var network *net.OpError
	refused := errors.As(err, &network) && network.Op == "dial"
	return !refused && !errors.Is(refusal(err), ErrConflict) && (status(err) == 0 || status(err) >= http.StatusInternalServerError)
}

// absent reports whether there is certainly no such job.
func (c *Client) absent(ctx context.Context, namespace, id string) bool {
	_, err := c.ReadJob(ctx, namespace, id)
	return errors.Is(err, ErrNotFound)
}

// versionAt finds the version of a job that was written at an index.
func (c *Client) versionAt(ctx context.Context, job *api.Job, index uint64) (*api.Job, error) {
	versions, err := c.versions(ctx, job)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(versions, func(v *api.Job) bool { return *v.JobModifyIndex == index })
	if i < 0 {
		return nil, ErrConflict
	}
	return versions[i], nil
}

// versions are those that Nomad keeps of a job, newest first.
func (c *Client) versions(ctx context.Context, job *api.Job) ([]*api.Job, error) {
	versions, _, _, err := c.api.Jobs().Versions(*job.ID, false, reading(ctx, *job.Namespace))
	return versions, explain(err, "reading the versions of job %s", *job.ID)
}

func stopped(job *api.Job) bool { return job.Stop != nil && *job.Stop }
