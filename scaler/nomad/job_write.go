package nomad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Written is a job right after it was written.
type Written struct {
	// Job is the job as Nomad stores it.
	Job *api.Job
	// Evaluation is the ID of the evaluation that places the allocations; "" if
	// nothing was written. EvaluationIndex is the index of its creation.
	Evaluation      string
	EvaluationIndex uint64
	// Warnings is what Nomad warns of in the specification, or "".
	Warnings string
}

// writeTimeout limits one attempt, which ends even if the caller is interrupted.
const writeTimeout = time.Minute

// edit is a change of a job.
type edit struct {
	namespace, job string
	// prepare returns the next version of the live job, which is nil if there is
	// none. With again, Nomad has already accepted a version.
	prepare func(ctx context.Context, live *api.Job, again bool) (registration, error)
	// verify returns [ErrConflict] if the live job must be written again. Before is
	// the job that was read, nil for none; ours is the version that was written.
	verify func(ctx context.Context, before, ours, live *api.Job) error
}

// registration is one attempt to write a job over the live one.
type registration struct {
	// job is the next version, or nil if there is nothing to write.
	job *api.Job
	// index is the index that the live job must still have; 0 if there is none.
	index uint64
	// preserve keeps the live counts even if they change meanwhile.
	preserve bool
	// submission is the source that Nomad stores with the version; nil for none.
	submission *api.JobSubmission
}

// write writes a job until Nomad has what was written. One attempt is not enough,
// because Nomad checks the index outside of the transaction that writes: a scaling
// that began before can undo the write.
//
// An interruption takes effect between two attempts, so that the outcome of each is
// known. If write returns an error and a job, Nomad has accepted the job or may have.
func (j *Jobs) write(ctx context.Context, e edit) (Written, error) {
	var written Written
	key := e.namespace + "/" + e.job
	err := j.writes.lock(ctx, key)
	if err == nil {
		defer j.writes.unlock(key)
		err = retryConflicts(ctx, func() error { return j.attempt(context.WithoutCancel(ctx), e, &written) })
	}
	if err != nil {
		err = fmt.Errorf("writing job %s in namespace %s: %w", e.job, e.namespace, err)
	}
	return written, err
}

// attempt reads the job, registers its next version and reads it back, once.
func (j *Jobs) attempt(ctx context.Context, e edit, written *Written) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	before, err := j.ReadJob(ctx, e.namespace, e.job)
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
	response, _, err := j.api.Jobs().RegisterOpts(next.job, &api.RegisterOptions{
		EnforceIndex:   true,
		ModifyIndex:    next.index,
		PreserveCounts: next.preserve,
		Submission:     next.submission,
	}, writeOptions(ctx, e.namespace))
	if err != nil {
		if mayBeDone(err) && !j.absent(ctx, e.namespace, e.job) {
			written.Job = next.job
		}
		return withCapability("submit-job", e.namespace, refusal(err))
	}
	*written = Written{Job: next.job, Evaluation: response.EvalID, EvaluationIndex: response.EvalCreateIndex, Warnings: response.Warnings}
	live, err := j.ReadJob(ctx, e.namespace, e.job)
	if err != nil {
		return err
	}
	ours := live
	if *live.JobModifyIndex != response.JobModifyIndex {
		if ours, err = j.versionAt(ctx, live, response.JobModifyIndex); err != nil {
			return err
		}
	}
	written.Job = ours
	err = e.verify(ctx, before, ours, live)
	if errors.As(err, new(overwriteError)) {
		*written = Written{}
	}
	return err
}

// mayBeDone reports whether Nomad may have done what it returned an error for: the
// response was lost, or a server failed meanwhile.
func mayBeDone(err error) bool {
	var network *net.OpError
	refused := errors.As(err, &network) && network.Op == "dial"
	return !refused && !errors.Is(refusal(err), ErrConflict) && (statusCode(err) == 0 || statusCode(err) >= http.StatusInternalServerError)
}
