package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// The items of the variable of an override. They name the job and the group, because
// not every path contains these.
const (
	itemJob      = "job"
	itemGroup    = "group"
	itemOverride = "override"
)

// OverrideStore reads and writes overrides. Each override is a Nomad variable in the
// namespace of its app.
type OverrideStore struct {
	api  *api.Client
	jobs *Jobs
}

// AppOverride is an override as Nomad stores it.
type AppOverride struct {
	// App is the app of the override. If the variable does not name one, only the
	// namespace is known.
	App scaler.AppID
	// Path is the path of the variable. The common prefix of all paths stands for the
	// overrides that cannot be read.
	Path string
	// Override is the override; nil if Err says why it is unknown.
	Override *scaler.Override
	// Block is the app's live scaling block.
	Block jobspec.Block
	// Err is why the override cannot be applied, or nil.
	Err error
	// ModifyIndex is the index that a change of the override must name.
	ModifyIndex uint64
}

// Apply applies the override to a policy. It returns the policy unchanged with an
// error if that is not possible, and without one if the override has expired. A group
// with several checks has a policy for each; the target of the override only applies to
// those with the metric of the first.
func (o AppOverride) Apply(p scaler.Policy, now time.Time) (scaler.Policy, error) {
	if o.Err != nil {
		return p, o.Err
	}
	override := o.Override
	if override.Target != nil && p.Metric != o.Block.Policy.Metric {
		override = new(*override)
		if override.Target = nil; override.Changes() == "" {
			return p, nil
		}
	}
	return override.Apply(p, o.Block.Bounds(), now)
}

// Override reads the override of an app and its live scaling block. It returns
// [ErrNotFound] if the app has no override.
func (s *OverrideStore) Override(ctx context.Context, app scaler.AppID) (AppOverride, error) {
	o, err := s.readOverride(ctx, app.Namespace, overridePath(app))
	if err != nil {
		return AppOverride{}, err
	}
	if o.Err == nil {
		o.Block, o.Err = s.jobs.Block(ctx, app)
	}
	return o, nil
}

// readOverride reads a variable. Err of the override is what is wrong with the
// variable.
func (s *OverrideStore) readOverride(ctx context.Context, namespace, path string) (AppOverride, error) {
	variable, _, err := s.api.Variables().Read(path, queryOptions(ctx, namespace))
	if errors.Is(err, api.ErrVariablePathNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return AppOverride{}, wrap(withVariableCapability("read", namespace, err), "reading override %s in namespace %s", path, namespace)
	}
	o := AppOverride{
		App:  scaler.AppID{Namespace: namespace, Job: variable.Items[itemJob], Group: variable.Items[itemGroup]},
		Path: path, ModifyIndex: variable.ModifyIndex,
	}
	if o.Err = checkItems(variable.Items); o.Err == nil && overridePath(o.App) != path {
		o.Err = fmt.Errorf("it is for %s, whose override is at %s", o.App, overridePath(o.App))
	}
	if o.Err == nil {
		o.Override, o.Err = scaler.ParseOverride([]byte(variable.Items[itemOverride]))
	}
	return o, nil
}

func checkItems(items api.VariableItems) error {
	want := []string{itemGroup, itemJob, itemOverride}
	if got := slices.Sorted(maps.Keys(items)); !slices.Equal(got, want) {
		return fmt.Errorf("its items are %s: must be %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	return nil
}

// SetOverride replaces the override of an app that has an index; 0 if there is none. It
// returns the new index.
//
// It returns [*scaler.ValueError]s if the override does not fit the live scaling block,
// [ErrNotFound] if there is no such block, and [ErrConflict] if the override has changed
// meanwhile. In all these cases nothing has changed.
func (s *OverrideStore) SetOverride(
	ctx context.Context, app scaler.AppID, o *scaler.Override, index uint64, now time.Time,
) (uint64, error) {
	set, err := s.setOverride(ctx, app, o, index, now)
	return set, wrap(err, "setting the override of %s", app)
}

func (s *OverrideStore) setOverride(
	ctx context.Context, app scaler.AppID, o *scaler.Override, index uint64, now time.Time,
) (uint64, error) {
	block, err := s.jobs.Block(ctx, app)
	if err != nil {
		return 0, err
	}
	if err := o.Check(block.Policy, block.Bounds(), now); err != nil {
		return 0, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	variable := &api.Variable{
		Namespace: app.Namespace, Path: overridePath(app), ModifyIndex: index,
		Items: api.VariableItems{itemJob: app.Job, itemGroup: app.Group, itemOverride: string(text)},
	}
	written, _, err := s.api.Variables().CheckedUpdate(variable, writeOptions(ctx, app.Namespace))
	if err != nil {
		return 0, variableConflict(withVariableCapability("write", app.Namespace, err))
	}
	return written.ModifyIndex, nil
}

// ClearOverride removes the override of an app that has an index. It returns
// [ErrConflict] if the override has changed meanwhile.
func (s *OverrideStore) ClearOverride(ctx context.Context, app scaler.AppID, index uint64) error {
	_, err := s.api.Variables().CheckedDelete(overridePath(app), index, writeOptions(ctx, app.Namespace))
	return wrap(variableConflict(withVariableCapability("destroy", app.Namespace, err)), "clearing the override of %s", app)
}

// variableConflict translates Nomad's error of a failed check-and-set to [ErrConflict].
func variableConflict(err error) error {
	if errors.As(err, new(api.ErrCASConflict)) {
		return ErrConflict
	}
	return err
}

// withVariableCapability is [withCapability] for the variables of overrides.
func withVariableCapability(capability, namespace string, err error) error {
	return withCapability(capability+" on the variables "+overridePrefix+"*", namespace, err)
}
