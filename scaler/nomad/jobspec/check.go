// Package jobspec reads, compares and changes job specifications: the scaling
// block with its policy, drift, merges, and what prevents a group from scaling.
// It is pure and never talks to Nomad.
package jobspec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// ErrNotFound is returned if something does not exist, such as a policy in a
// scaling block.
var ErrNotFound = errors.New("not found")

// ErrSpecification is returned for a job specification that is wrong, or that
// contains what the job of an app must not contain.
var ErrSpecification = errors.New("the job specification cannot be used")

// ErrNoGroup is returned if a job has no such group.
var ErrNoGroup = errors.New("no such group")

// CheckScalable returns an error if a group of a declared job cannot be given a
// policy: that of [CheckGroup], or [ErrSpecification] if the group already has a
// scaling block.
func CheckScalable(job *api.Job, group string) error {
	if err := CheckGroup(job, group); err != nil {
		return err
	}
	if ScalingBlock(job, group) != nil {
		return fmt.Errorf("%w: group %s of job %s has a scaling block of its own; remove it and write its settings in the policy",
			ErrSpecification, group, *job.ID)
	}
	return nil
}

// CheckGroup returns an error if a group of a job cannot scale: [ErrNoGroup], or
// [ErrSpecification] with the reason.
func CheckGroup(job *api.Job, group string) error {
	switch kind := jobType(job); {
	case kind == api.JobTypeSystem || kind == api.JobTypeSysbatch:
		return fmt.Errorf("%w: job %s has the type %q; it runs once on every node and has no count to scale: use the type \"service\"",
			ErrSpecification, *job.ID, kind)
	case kind != api.JobTypeService:
		return fmt.Errorf("%w: job %s has the type %q; Nomad forgets such a job at zero instances "+
			"and does not replace what has finished: use the type \"service\"", ErrSpecification, *job.ID, kind)
	case job.IsMultiregion():
		return fmt.Errorf("%w: job %s has a multiregion block; declare the job once for each region", ErrSpecification, *job.ID)
	}
	_, err := FindGroup(job, group)
	return err
}

func jobType(job *api.Job) string {
	if job.Type == nil || *job.Type == "" {
		return api.JobTypeService
	}
	return *job.Type
}

// FindGroup returns a group of a job, or [ErrNoGroup].
func FindGroup(job *api.Job, name string) (*api.TaskGroup, error) {
	if group := job.LookupTaskGroup(name); group != nil {
		return group, nil
	}
	names := make([]string, len(job.TaskGroups))
	for i, group := range job.TaskGroups {
		names[i] = *group.Name
	}
	return nil, fmt.Errorf("%w: job %s has no group %q; its groups are %s", ErrNoGroup, *job.ID, name, strings.Join(names, ", "))
}
