package nomad

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// WatchOverrides reports the overrides of all namespaces now and whenever one,
// or the scaling block that it is for, changes, until the context ends. One
// query waits for all overrides and one for all blocks, and only what has
// changed is read. A failure is told once until it is over, and the watch goes
// on; failed may be called from two goroutines at once. A namespace whose
// overrides the token may not read, for which Nomad lists none, is reported as
// one that is ignored.
func (c *Client) WatchOverrides(ctx context.Context, report func([]AppOverride), failed func(error)) {
	w := newOverrideWatch(c)
	var lists sync.WaitGroup
	for _, list := range []func(context.Context) error{w.listPolicies, w.listVariables} {
		lists.Go(func() { w.follow(ctx, list, report, failed) })
	}
	lists.Wait()
}

// overrideWatch keeps what it has read, so that a change costs one read.
type overrideWatch struct {
	client *Client

	// Each list has a goroutine of its own; mu guards what they have found.
	mu sync.Mutex
	// variables are the overrides by namespace and path.
	variables     map[variableKey]AppOverride
	variableIndex uint64
	// policies are the scaling policies by target, blocks those of them that
	// have been read.
	policies    map[scaler.AppID]*api.ScalingPolicyListStub
	policyIndex uint64
	blocks      map[scaler.AppID]watchedBlock
	// denied are the namespaces whose overrides may not be read.
	denied map[string]bool
}

type variableKey struct{ namespace, path string }

type watchedBlock struct {
	index uint64
	block Block
	err   error
}

func newOverrideWatch(c *Client) *overrideWatch {
	return &overrideWatch{
		client:    c,
		variables: make(map[variableKey]AppOverride), blocks: make(map[scaler.AppID]watchedBlock), denied: make(map[string]bool),
	}
}

// follow lists again and again, and reports what there is once both lists are
// known.
func (w *overrideWatch) follow(ctx context.Context, list func(context.Context) error, report func([]AppOverride), failed func(error)) {
	failure := ""
	for ctx.Err() == nil {
		err := list(ctx)
		if err == nil {
			err = w.report(ctx, report)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failure = ""
		default:
			if failure != err.Error() {
				failure = err.Error()
				failed(err)
			}
			wait(ctx, retryPause)
		}
	}
}

func (w *overrideWatch) report(ctx context.Context, report func([]AppOverride)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.policyIndex == 0 || w.variableIndex == 0 {
		return nil
	}
	all, err := w.resolve(ctx)
	if err == nil && ctx.Err() == nil {
		report(all)
	}
	return err
}

// listVariables waits for a change of the overrides and reads what has changed.
func (w *overrideWatch) listVariables(ctx context.Context) error {
	query := reading(ctx, api.AllNamespacesNamespace)
	query.WaitIndex = w.variableIndex
	stubs, meta, err := w.client.api.Variables().PrefixList(overridePrefix, query)
	if err != nil {
		return explain(needsVariables("list", "*", err), "listing overrides")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	listed := make(map[variableKey]AppOverride, len(stubs))
	for _, stub := range stubs {
		key := variableKey{stub.Namespace, stub.Path}
		if known, ok := w.variables[key]; ok && known.ModifyIndex == stub.ModifyIndex {
			listed[key] = known
		} else if err := w.readVariable(ctx, key, listed); err != nil {
			return err
		}
	}
	// One that is not listed any more is cleared, or not for this token to see.
	for key := range w.variables {
		if _, ok := listed[key]; !ok {
			if err := w.readVariable(ctx, key, listed); err != nil {
				return err
			}
		}
	}
	w.variables, w.variableIndex = listed, max(meta.LastIndex, 1)
	return nil
}

// readVariable puts an override to those that are listed. What the token may not
// read any more is as good as lost: what is known of it stays.
func (w *overrideWatch) readVariable(ctx context.Context, key variableKey, listed map[variableKey]AppOverride) error {
	o, err := w.client.readOverride(ctx, key.namespace, key.path)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrDenied):
		w.denied[key.namespace] = true
		if known, ok := w.variables[key]; ok {
			listed[key] = known
		}
		return nil
	case err != nil:
		return err
	}
	w.denied[key.namespace] = false
	listed[key] = o
	return nil
}

// listPolicies waits for a change of the scaling policies. What is in a policy
// is read when an override calls for it.
func (w *overrideWatch) listPolicies(ctx context.Context) error {
	query := reading(ctx, api.AllNamespacesNamespace)
	query.WaitIndex = w.policyIndex
	stubs, meta, err := w.client.api.Scaling().ListPolicies(query)
	if err != nil {
		return explain(needs("list-scaling-policies", "*", err), "listing scaling policies")
	}
	policies := make(map[scaler.AppID]*api.ScalingPolicyListStub, len(stubs))
	namespaces := make(map[string]bool)
	for _, stub := range stubs {
		t := appOf(stub)
		policies[t], namespaces[t.Namespace] = stub, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.probe(ctx, namespaces); err != nil {
		return err
	}
	w.policies, w.policyIndex = policies, max(meta.LastIndex, 1)
	maps.DeleteFunc(w.blocks, func(t scaler.AppID, _ watchedBlock) bool { return policies[t] == nil })
	return nil
}

// probe finds out whether the token may read the overrides of each namespace:
// Nomad lists what it may not read as if there were none.
func (w *overrideWatch) probe(ctx context.Context, namespaces map[string]bool) error {
	for namespace := range namespaces {
		if denied, probed := w.denied[namespace]; probed && !denied {
			continue
		}
		_, err := w.client.readOverride(ctx, namespace, overridePrefix+"-")
		switch {
		case errors.Is(err, ErrDenied):
			w.denied[namespace] = true
		case err == nil || errors.Is(err, ErrNotFound):
			w.denied[namespace] = false
		default:
			return err
		}
	}
	return nil
}

// resolve is what has been listed, with the scaling blocks that it is for.
func (w *overrideWatch) resolve(ctx context.Context) ([]AppOverride, error) {
	all := make([]AppOverride, 0, len(w.variables))
	for _, o := range w.variables {
		if o.Err == nil {
			var err error
			if o.Block, o.Err, err = w.block(ctx, o.App); err != nil {
				return nil, err
			}
		}
		all = append(all, o)
	}
	for namespace, denied := range w.denied {
		if denied {
			all = append(all, AppOverride{
				App: scaler.AppID{Namespace: namespace}, Path: overridePrefix,
				Err: fmt.Errorf("%w: the token needs the capabilities list and read on the variables %s* in namespace %s", ErrDenied, overridePrefix, namespace),
			})
		}
	}
	slices.SortFunc(all, func(a, b AppOverride) int {
		return cmp.Or(cmp.Compare(a.App.String(), b.App.String()), cmp.Compare(a.Path, b.Path))
	})
	return all, nil
}

// block is the live scaling block of an app, or what is wrong with it.
func (w *overrideWatch) block(ctx context.Context, t scaler.AppID) (block Block, wrong, err error) {
	stub := w.policies[t]
	if stub == nil {
		return Block{}, fmt.Errorf("there is no scaling block of %s", t), nil
	}
	known := w.blocks[t]
	if known.index != stub.ModifyIndex {
		policy, _, err := w.client.api.Scaling().GetPolicy(stub.ID, reading(ctx, t.Namespace))
		switch {
		case status(err) == http.StatusForbidden, status(err) == http.StatusNotFound:
			return Block{}, explain(needs("read-scaling-policy", t.Namespace, err), "reading the scaling block of %s", t), nil
		case err != nil:
			return Block{}, nil, explain(err, "reading the scaling block of %s", t)
		}
		known = watchedBlock{index: stub.ModifyIndex}
		known.block, known.err = ParseBlock(policy)
		w.blocks[t] = known
	}
	return known.block, known.err, nil
}

// Overrides are the overrides of all apps for those who decide, as
// [Client.WatchOverrides] reports them: Report and Failed are for it. It is safe
// for concurrent use.
type Overrides struct {
	ignored func(scaler.AppID, error)
	current atomic.Pointer[map[scaler.AppID]*liveOverride]
	// told is closed by first, or by failing after a while.
	first, failing sync.Once
	told           chan struct{}

	// mu guards what was said of each override.
	mu   sync.Mutex
	said map[variableKey]string
}

type liveOverride struct {
	AppOverride
	// misfit is what was said of it last when it was applied.
	misfit atomic.Pointer[string]
}

// NewOverrides returns overrides that know of none yet. What cannot be applied is
// told to ignored, once for every change; a zero Target stands for all apps.
func NewOverrides(ignored func(scaler.AppID, error)) *Overrides {
	o := &Overrides{ignored: ignored, told: make(chan struct{}), said: make(map[variableKey]string)}
	o.current.Store(new(map[scaler.AppID]*liveOverride))
	return o
}

// patience is how long those who decide wait for overrides that cannot be read.
// Then they decide without: whatever keeps overrides from being read must not
// keep apps from starting for good.
const patience = 10 * time.Second

// Known tells whether it is known which overrides there are, or that the token
// may not read them, or whether reading them has failed for ten seconds: whether
// there is any point in waiting.
func (o *Overrides) Known() bool {
	select {
	case <-o.told:
		return true
	default:
		return false
	}
}

// Wait waits until the overrides are [Overrides.Known].
func (o *Overrides) Wait(ctx context.Context) error {
	select {
	case <-o.told:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the overrides: %w", ctx.Err())
	}
}

// Report takes over the overrides that there are.
func (o *Overrides) Report(all []AppOverride) {
	defer o.tell()
	o.mu.Lock()
	defer o.mu.Unlock()
	before, current := *o.current.Load(), make(map[scaler.AppID]*liveOverride, len(all))
	said := make(map[variableKey]string)
	for _, reported := range all {
		key := variableKey{reported.App.Namespace, reported.Path}
		if reported.Err == nil {
			next := &liveOverride{AppOverride: reported}
			if known := before[reported.App]; known != nil && known.ModifyIndex == reported.ModifyIndex {
				next.misfit.Store(known.misfit.Load())
			}
			current[reported.App] = next
			continue
		}
		said[key] = fmt.Sprintf("%s is ignored: %v", reported.Path, reported.Err)
		if o.said[key] != said[key] {
			o.ignored(reported.App, errors.New(said[key]))
		}
	}
	o.said = said
	o.current.Store(&current)
}

// Failed notes that the overrides cannot be read. Those that are known stay in
// force until they expire.
func (o *Overrides) Failed(err error) {
	if errors.Is(err, ErrDenied) {
		o.tell()
	} else {
		o.failing.Do(func() { time.AfterFunc(patience, o.tell) })
	}
	o.ignored(scaler.AppID{}, fmt.Errorf("the overrides that are known stay in force until they expire, and no others: %w", err))
}

func (o *Overrides) tell() { o.first.Do(func() { close(o.told) }) }

// Apply returns a policy as its override changes it, or as it is.
func (o *Overrides) Apply(p scaler.Policy, now time.Time) scaler.Policy {
	live := (*o.current.Load())[p.App]
	if live == nil {
		return p
	}
	changed, err := live.Apply(p, now)
	if err != nil {
		words := err.Error()
		if said := live.misfit.Swap(&words); said == nil || *said != words {
			o.ignored(live.App, fmt.Errorf("the override %q is ignored: %w", live.Override.Changes(), err))
		}
	}
	return changed
}
