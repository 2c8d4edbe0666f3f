package nomad

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// An override is one variable in the namespace of its app. Its items name the
// job and the group, because its path cannot always.
const (
	overridePrefix = "nomadscale/overrides/"
	itemJob        = "job"
	itemGroup      = "group"
	itemOverride   = "override"
)

// maxPath is what Nomad allows.
const maxPath = 128

// overridePath is where the override of a group is kept. A path may have only
// some characters; ~ and two hexadecimal digits stand for each other byte. Names
// that are too long are hashed.
func overridePath(t scaler.AppID) string {
	path := overridePrefix + encode(t.Job) + "/" + encode(t.Group)
	if len(path) > maxPath {
		sum := sha256.Sum256([]byte(t.Job + "/" + t.Group))
		return overridePrefix + "~" + hex.EncodeToString(sum[:])
	}
	return path
}

func encode(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "~%02x", c)
		}
	}
	return b.String()
}

// AppOverride is an override as Nomad keeps it.
type AppOverride struct {
	// App is the app that it is for. Of a variable that does not name one, only
	// the namespace is known.
	App scaler.AppID
	// Path is where Nomad keeps it; that of all stands for those that cannot be
	// read.
	Path string
	// Override is what it says; nil when Err says why that is not known.
	Override *scaler.Override
	// Block is the app's live scaling block.
	Block Block
	// Err is why it cannot be applied, or nil.
	Err error
	// ModifyIndex is what a change of it has to name.
	ModifyIndex uint64
}

// Apply returns a policy as the override changes it, and why it does not. An
// override that has expired changes nothing. A group with several checks has a
// policy for each; the target is for those in the metric of the first.
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

// Bounds are those that Nomad enforces.
func (b Block) Bounds() scaler.Bounds { return scaler.Bounds{Min: b.Min, Max: b.Max} }

// Override reads the override of an app and its live scaling block. It returns
// [ErrNotFound] when the app has none.
func (c *Client) Override(ctx context.Context, t scaler.AppID) (AppOverride, error) {
	o, err := c.readOverride(ctx, t.Namespace, overridePath(t))
	if err != nil {
		return AppOverride{}, err
	}
	if o.Err == nil {
		o.Block, o.Err = c.Block(ctx, t)
	}
	return o, nil
}

// readOverride reads a variable. What is wrong with it is the override's Err.
func (c *Client) readOverride(ctx context.Context, namespace, path string) (AppOverride, error) {
	variable, _, err := c.api.Variables().Read(path, reading(ctx, namespace))
	if errors.Is(err, api.ErrVariablePathNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return AppOverride{}, explain(needsVariables("read", namespace, err), "reading override %s in namespace %s", path, namespace)
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

// SetOverride sets the override of an app in the place of the one with that
// index; 0 when there is none. The result is the index that it has now. It
// returns [*scaler.ValueError]s when the override is out of reach for the live
// scaling block, [ErrNotFound] when there is no such block, and [ErrConflict]
// when the override has changed meanwhile; in all these cases nothing has
// changed.
func (c *Client) SetOverride(ctx context.Context, t scaler.AppID, o *scaler.Override, index uint64, now time.Time) (uint64, error) {
	set, err := c.setOverride(ctx, t, o, index, now)
	return set, explain(err, "setting the override of %s", t)
}

func (c *Client) setOverride(ctx context.Context, t scaler.AppID, o *scaler.Override, index uint64, now time.Time) (uint64, error) {
	block, err := c.Block(ctx, t)
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
		Namespace: t.Namespace, Path: overridePath(t), ModifyIndex: index,
		Items: api.VariableItems{itemJob: t.Job, itemGroup: t.Group, itemOverride: string(text)},
	}
	written, _, err := c.api.Variables().CheckedUpdate(variable, writing(ctx, t.Namespace))
	if err != nil {
		return 0, conflict(needsVariables("write", t.Namespace, err))
	}
	return written.ModifyIndex, nil
}

// ClearOverride removes the override of an app with that index. It returns
// [ErrConflict] when it has changed meanwhile.
func (c *Client) ClearOverride(ctx context.Context, t scaler.AppID, index uint64) error {
	_, err := c.api.Variables().CheckedDelete(overridePath(t), index, writing(ctx, t.Namespace))
	return explain(conflict(needsVariables("destroy", t.Namespace, err)), "clearing the override of %s", t)
}

func conflict(err error) error {
	if errors.As(err, new(api.ErrCASConflict)) {
		return ErrConflict
	}
	return err
}

// ListOverrides lists the overrides of all namespaces, by app. A namespace whose
// overrides the token may not read is listed as one that is ignored.
func (c *Client) ListOverrides(ctx context.Context) ([]AppOverride, error) {
	w := newOverrideWatch(c)
	for _, list := range []func(context.Context) error{w.listPolicies, w.listVariables} {
		if err := list(ctx); err != nil {
			return nil, err
		}
	}
	return w.resolve(ctx)
}

// needsVariables is [needs] for the variables that overrides are kept in.
func needsVariables(capability, namespace string, err error) error {
	return needs(capability+" on the variables "+overridePrefix+"*", namespace, err)
}
