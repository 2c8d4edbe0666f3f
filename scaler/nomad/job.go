package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// ErrSpecification is returned for a job specification that is wrong, or that
// says what an app's job must not.
var ErrSpecification = errors.New("the job specification cannot be used")

// ErrExists is returned when the job to be created is there already.
var ErrExists = errors.New("the job exists already")

// ErrNoGroup is returned when a job has no such group.
var ErrNoGroup = errors.New("no such group")

// The formats in which Nomad keeps the source of a job.
const (
	formatHCL  = "hcl2"
	formatJSON = "json"
)

// format tells JSON from HCL: no HCL job begins with a brace.
func format(specification string) string {
	if strings.HasPrefix(strings.TrimSpace(specification), "{") {
		return formatJSON
	}
	return formatHCL
}

// ParseJob reads a job specification: HCL, which Nomad itself parses, or JSON,
// as {"Job": …} or as the bare job. It fills in no defaults. It returns
// [ErrSpecification] when the specification is wrong.
func (c *Client) ParseJob(ctx context.Context, specification string) (*api.Job, error) {
	job := new(api.Job)
	if format(specification) == formatJSON {
		wrapped := struct{ Job *api.Job }{}
		if err := json.Unmarshal([]byte(specification), &wrapped); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSpecification, err)
		}
		if job = wrapped.Job; job == nil {
			job = new(api.Job)
			if err := json.Unmarshal([]byte(specification), job); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrSpecification, err)
			}
		}
	} else {
		request := &api.JobsParseRequest{JobHCL: specification}
		if _, err := c.api.Raw().Write("/v1/jobs/parse", request, job, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
			if status(err) == http.StatusBadRequest {
				return nil, fmt.Errorf("%w: %s", ErrSpecification, answer(err))
			}
			return nil, explain(needs("submit-job", "default", err), "parsing the job specification")
		}
	}
	if job.ID == nil || *job.ID == "" {
		return nil, fmt.Errorf("%w: the job has no ID", ErrSpecification)
	}
	for _, group := range job.TaskGroups {
		if group.Name == nil {
			return nil, fmt.Errorf("%w: a group has no name", ErrSpecification)
		}
	}
	return job, nil
}

// answer is the text of Nomad's answer in an error, without what the HTTP client
// puts around it.
func answer(err error) string {
	var response api.UnexpectedResponseError
	if errors.As(err, &response) && response.HasBody() {
		return strings.TrimSpace(response.Body())
	}
	return err.Error()
}

// CheckScalable reports why a group of a declared job cannot be given a policy:
// what [CheckGroup] does, or [ErrSpecification] when the group has a scaling
// block of its own.
func CheckScalable(job *api.Job, group string) error {
	if err := CheckGroup(job, group); err != nil {
		return err
	}
	if job.LookupTaskGroup(group).Scaling != nil {
		return fmt.Errorf("%w: group %s of job %s has a scaling block of its own; remove it and say the same in the policy", ErrSpecification, group, *job.ID)
	}
	return nil
}

// CheckGroup reports why a group of a job cannot scale: [ErrNoGroup] or
// [ErrSpecification] with the reason.
func CheckGroup(job *api.Job, group string) error {
	switch kind := jobType(job); {
	case kind == api.JobTypeSystem || kind == api.JobTypeSysbatch:
		return fmt.Errorf("%w: job %s has the type %q; it runs once on every node and has no count to scale: use the type \"service\"", ErrSpecification, *job.ID, kind)
	case kind != api.JobTypeService:
		return fmt.Errorf("%w: job %s has the type %q; Nomad forgets such a job at zero instances and does not replace what has finished: use the type \"service\"", ErrSpecification, *job.ID, kind)
	case job.IsMultiregion():
		return fmt.Errorf("%w: job %s has a multiregion block; declare the job once for each region", ErrSpecification, *job.ID)
	case job.LookupTaskGroup(group) == nil:
		return fmt.Errorf("%w: job %s has no group %q; its groups are %s", ErrNoGroup, *job.ID, group, strings.Join(groupNames(job), ", "))
	default:
		return nil
	}
}

func jobType(job *api.Job) string {
	if job.Type == nil || *job.Type == "" {
		return api.JobTypeService
	}
	return *job.Type
}

func groupNames(job *api.Job) []string {
	names := make([]string, len(job.TaskGroups))
	for i, group := range job.TaskGroups {
		names[i] = *group.Name
	}
	return names
}

// ReadJob reads a job. It returns [ErrNotFound] when there is none.
func (c *Client) ReadJob(ctx context.Context, namespace, id string) (*api.Job, error) {
	job, _, err := c.api.Jobs().Info(id, reading(ctx, namespace))
	if err != nil {
		return nil, explain(needs("read-job", namespace, err), "reading job %s in namespace %s", id, namespace)
	}
	return job, nil
}

// submission is what Nomad keeps of how a job was submitted, or nil.
func (c *Client) submission(ctx context.Context, job *api.Job) (*api.JobSubmission, error) {
	submission, _, err := c.api.Jobs().Submission(*job.ID, int(*job.Version), reading(ctx, *job.Namespace))
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return submission, explain(needs("read-job", *job.Namespace, err), "reading the specification of job %s", *job.ID)
}

// Source is the specification that a job was submitted as. Of a job that was
// submitted without, it is the job in JSON, without the scaling block of the
// group: that is for the policy to say.
func (c *Client) Source(ctx context.Context, job *api.Job, group string) (string, error) {
	submission, err := c.submission(ctx, job)
	if err != nil {
		return "", err
	}
	if submission != nil && submission.Source != "" {
		return submission.Source, nil
	}
	bare := *job
	bare.TaskGroups = copyGroups(job.TaskGroups)
	if g := bare.LookupTaskGroup(group); g != nil {
		g.Scaling = nil
	}
	bare.Stop, bare.Status, bare.StatusDescription, bare.Stable, bare.Version, bare.SubmitTime = nil, nil, nil, nil, nil, nil
	bare.CreateIndex, bare.ModifyIndex, bare.JobModifyIndex, bare.VersionTag, bare.NomadTokenID = nil, nil, nil, nil, nil
	source, err := json.MarshalIndent(map[string]any{"Job": bare}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing job %s as JSON: %w", *job.ID, err)
	}
	return string(source), nil
}

// Declaration is a job that is to be written with a scaling block for one of
// its groups, the one that the block's policy names.
type Declaration struct {
	// Specification is the job as its author wrote it; Nomad keeps it too.
	Specification string
	// Job is the specification, parsed, with its namespace filled in.
	Job *api.Job
	// Block is the scaling block of the group.
	Block Block
	// Counts are the counts to set, by group, where they are not to stay as they
	// are.
	Counts map[string]int
	// Check, unless nil, returns an error when the live job must not be written
	// over. It is asked before every try to update the job.
	Check func(live *api.Job) error
}

// ChangedError is returned when somebody else has changed more of a job than its
// counts, which must not be lost.
type ChangedError struct {
	// Paths are what has changed.
	Paths []string
}

func (e *ChangedError) Error() string {
	return "somebody else has changed " + strings.Join(e.Paths, ", ")
}

// CreateJob writes a job that is not there yet, or that was stopped. The count
// of the group is that of the specification, within the policy's bounds, or
// else min_instances. It returns [ErrExists] when the job runs already. With an
// error and a job, Nomad has taken the job, or may have: its answer was lost, or
// the job could not be read back, or it is a [*ChangedError].
func (c *Client) CreateJob(ctx context.Context, d Declaration) (Written, error) {
	return c.write(ctx, c.edit(d, func(live *api.Job, again bool) (registration, error) {
		if again {
			return d.update(live) // whoever has written it since
		}
		return d.create(live)
	}))
}

// UpdateJob writes a job that is there. Counts stay as they are, within the new
// bounds, even when somebody scales at the same moment. It returns
// [ErrNotFound] when there is no such job, and a [*ChangedError] with the job as
// it was written when somebody else has written it since.
func (c *Client) UpdateJob(ctx context.Context, d Declaration) (Written, error) {
	return c.write(ctx, c.edit(d, func(live *api.Job, _ bool) (registration, error) { return d.update(live) }))
}

// edit writes the whole job of a declaration.
func (c *Client) edit(d Declaration, prepare func(live *api.Job, again bool) (registration, error)) edit {
	return edit{
		namespace: *d.Job.Namespace,
		job:       *d.Job.ID,
		prepare: func(_ context.Context, live *api.Job, again bool) (registration, error) {
			next, err := prepare(live, again)
			next.submission = &api.JobSubmission{Source: d.Specification, Format: format(d.Specification)}
			return next, err
		},
		verify: func(ctx context.Context, before, ours, live *api.Job) error {
			if err := c.giveWay(ctx, before, ours); err != nil {
				return err
			}
			return d.verify(before, ours, live)
		},
	}
}

// verify returns [ErrConflict] when a scaling has undone what was written over
// the job before, nil for none, or has left the count outside of the bounds, and
// a [*ChangedError] when somebody else has written the job since.
func (d Declaration) verify(before, ours, live *api.Job) error {
	if ours != live {
		now := Flatten(live)
		if changed := differences(Flatten(ours), now); len(changed) > 0 {
			if before != nil && maps.Equal(Flatten(before), now) {
				return ErrConflict
			}
			return &ChangedError{Paths: slices.Sorted(maps.Keys(changed))}
		}
	}
	if count, known := liveCount(live, d.Block.Policy.App.Group); !known || count < d.Block.Min || count > d.Block.Max {
		return ErrConflict
	}
	return nil
}

// create prepares the job as it is first written.
func (d Declaration) create(live *api.Job) (registration, error) {
	next := registration{}
	if live != nil {
		if !stopped(live) {
			return next, ErrExists
		}
		next.index = *live.JobModifyIndex
	}
	job, group := d.attach()
	p, count := d.Block.Policy, d.Block.Policy.MinInstances
	if group.Count != nil {
		count = min(max(*group.Count, p.MinInstances), p.MaxInstances)
	}
	group.Count, next.job = &count, job
	return next, nil
}

// update prepares the job as it replaces the live one. Nomad is to preserve the
// counts only when they are all as they were, since it preserves them without
// regard to the bounds.
func (d Declaration) update(live *api.Job) (registration, error) {
	if live == nil {
		return registration{}, ErrNotFound
	}
	if d.Check != nil {
		if err := d.Check(live); err != nil {
			return registration{}, err
		}
	}
	job, scaled := d.attach()
	next := registration{job: job, index: *live.JobModifyIndex, preserve: true}
	for _, group := range job.TaskGroups {
		count, known := liveCount(live, *group.Name)
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

func liveCount(live *api.Job, group string) (count int, known bool) {
	if g := live.LookupTaskGroup(group); g != nil && g.Count != nil {
		return *g.Count, true
	}
	return 0, false
}

// attach copies the job and gives the group its block.
func (d Declaration) attach() (*api.Job, *api.TaskGroup) {
	job := *d.Job
	job.TaskGroups = copyGroups(d.Job.TaskGroups)
	group := job.LookupTaskGroup(d.Block.Policy.App.Group)
	group.Scaling = d.Block.Render()
	return &job, group
}

func copyGroups(groups []*api.TaskGroup) []*api.TaskGroup {
	copies := make([]*api.TaskGroup, len(groups))
	for i, group := range groups {
		copies[i] = new(*group)
	}
	return copies
}

// ChangedCounts are the counts of groups without a scaling block that a new
// specification gives other than the one before: those that its author wants
// set, though counts stay as they are otherwise.
func ChangedCounts(before, after *api.Job, scaled string) map[string]int {
	counts := make(map[string]int)
	for _, group := range after.TaskGroups {
		if *group.Name == scaled || group.Scaling != nil || group.Count == nil {
			continue
		}
		if count, known := liveCount(before, *group.Name); !known || count != *group.Count {
			counts[*group.Name] = *group.Count
		}
	}
	return counts
}

// RemoveJob stops a job; purge makes Nomad forget it. A job that is not there
// is no error.
func (c *Client) RemoveJob(ctx context.Context, namespace, id string, purge bool) error {
	_, _, err := c.api.Jobs().Deregister(id, purge, writing(ctx, namespace))
	if status(err) == http.StatusNotFound {
		return nil
	}
	return explain(needs("submit-job", namespace, err), "removing job %s in namespace %s", id, namespace)
}

// PurgeStoppedJob makes Nomad forget a job, unless it was registered again since it
// was stopped.
func (c *Client) PurgeStoppedJob(ctx context.Context, namespace, id string) error {
	job, err := c.ReadJob(ctx, namespace, id)
	if errors.Is(err, ErrNotFound) || (err == nil && !*job.Stop) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.RemoveJob(ctx, namespace, id, true)
}

// AwaitStopped waits until no allocation of a job runs. Its error names those
// that still do when the context ends.
func (c *Client) AwaitStopped(ctx context.Context, namespace, id string) error {
	var index uint64
	var running []string
	for {
		query := reading(ctx, namespace)
		query.WaitIndex = index
		allocations, meta, err := c.api.Jobs().Allocations(id, true, query)
		if ctx.Err() != nil && len(running) > 0 {
			return fmt.Errorf("waiting for the allocations of job %s to stop: %w; still running: %s", id, ctx.Err(), strings.Join(running, ", "))
		}
		if status(err) == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return explain(err, "waiting for the allocations of job %s to stop", id)
		}
		running = running[:0]
		for _, allocation := range allocations {
			switch allocation.ClientStatus {
			case api.AllocClientStatusPending, api.AllocClientStatusRunning, api.AllocClientStatusUnknown:
				running = append(running, allocation.Name+" on "+allocation.NodeName)
			}
		}
		if len(running) == 0 {
			return nil
		}
		index = meta.LastIndex
	}
}
