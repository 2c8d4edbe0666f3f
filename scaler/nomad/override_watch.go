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

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// ListOverrides lists the overrides of all namespaces, by app. A namespace whose
// overrides the token may not read has an entry with an error.
func (s *OverrideStore) ListOverrides(ctx context.Context) ([]AppOverride, error) {
	w := newOverrideWatch(s)
	for _, list := range []func(context.Context) error{w.listPolicies, w.listVariables} {
		if err := list(ctx); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.resolveLocked(ctx)
}

// WatchOverrides reports the overrides of all namespaces now and whenever one of them
// or its scaling block changes, until the context ends. One blocking query waits for
// all overrides and one for all blocks; WatchOverrides reads only what has changed.
//
// It reports a failure once until that ends, and continues. It may call failed from two
// goroutines at once. Nomad lists no overrides of a namespace whose overrides the token
// may not read: such a namespace is reported as an entry with an error.
func (s *OverrideStore) WatchOverrides(ctx context.Context, report func([]AppOverride), failed func(error)) {
	w := newOverrideWatch(s)
	var lists sync.WaitGroup
	for _, list := range []func(context.Context) error{w.listPolicies, w.listVariables} {
		lists.Go(func() { w.follow(ctx, list, report, &failureFilter{report: failed}) })
	}
	lists.Wait()
}

// overrideWatch keeps what it has read, so that a change costs one read.
type overrideWatch struct {
	store *OverrideStore

	// Each list has a goroutine of its own; mu guards the results.
	mu sync.Mutex
	// variables are the overrides by namespace and path.
	variables     map[variableKey]AppOverride
	variableIndex uint64
	// policies are the scaling policies by app, and blocks those that were read.
	policies    map[scaler.AppID]*api.ScalingPolicyListStub
	policyIndex uint64
	blocks      map[scaler.AppID]watchedBlock
	// denied has the namespaces that were probed; true if the token may not read the
	// overrides there.
	denied map[string]bool
}

type variableKey struct{ namespace, path string }

type watchedBlock struct {
	index uint64
	block jobspec.Block
	err   error
}

func newOverrideWatch(s *OverrideStore) *overrideWatch {
	return &overrideWatch{
		store:     s,
		variables: make(map[variableKey]AppOverride), blocks: make(map[scaler.AppID]watchedBlock), denied: make(map[string]bool),
	}
}

// follow repeats a list, and reports the overrides once both lists are known.
func (w *overrideWatch) follow(ctx context.Context, list func(context.Context) error, report func([]AppOverride), failures *failureFilter) {
	for ctx.Err() == nil {
		err := list(ctx)
		if err == nil {
			err = w.report(ctx, report)
		}
		if ctx.Err() != nil {
			return
		}
		if failures.note(err); err != nil {
			sleep(ctx, retryPause)
		}
	}
}

func (w *overrideWatch) report(ctx context.Context, report func([]AppOverride)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.policyIndex == 0 || w.variableIndex == 0 {
		return nil
	}
	all, err := w.resolveLocked(ctx)
	if err == nil && ctx.Err() == nil {
		report(all)
	}
	return err
}

// listVariables waits for a change of the overrides and reads the changed ones.
func (w *overrideWatch) listVariables(ctx context.Context) error {
	query := blockingOptions(ctx, api.AllNamespacesNamespace, w.variableIndex)
	stubs, meta, err := w.store.api.Variables().PrefixList(overridePrefix, query)
	if err != nil {
		return wrap(withVariableCapability("list", "*", err), "listing overrides")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	listed := make(map[variableKey]AppOverride, len(stubs))
	for _, stub := range stubs {
		key := variableKey{stub.Namespace, stub.Path}
		if known, ok := w.variables[key]; ok && known.ModifyIndex == stub.ModifyIndex {
			listed[key] = known
		} else if err := w.readVariableLocked(ctx, key, listed); err != nil {
			return err
		}
	}
	// An override that is no longer listed was cleared, or the token may no longer see it.
	for key := range w.variables {
		if _, ok := listed[key]; !ok {
			if err := w.readVariableLocked(ctx, key, listed); err != nil {
				return err
			}
		}
	}
	w.variables, w.variableIndex = listed, max(meta.LastIndex, 1)
	return nil
}

// readVariableLocked reads an override and adds it to those that are listed. An override
// that the token may no longer read stays as it was.
func (w *overrideWatch) readVariableLocked(ctx context.Context, key variableKey, listed map[variableKey]AppOverride) error {
	o, err := w.store.readOverride(ctx, key.namespace, key.path)
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

// listPolicies waits for a change of the scaling policies. The policy of an override is
// read later.
func (w *overrideWatch) listPolicies(ctx context.Context) error {
	query := blockingOptions(ctx, api.AllNamespacesNamespace, w.policyIndex)
	stubs, meta, err := w.store.api.Scaling().ListPolicies(query)
	if err != nil {
		return wrap(withCapability("list-scaling-policies", "*", err), "listing scaling policies")
	}
	policies := make(map[scaler.AppID]*api.ScalingPolicyListStub, len(stubs))
	namespaces := make(map[string]bool)
	for _, stub := range stubs {
		app := appOf(stub)
		policies[app], namespaces[app.Namespace] = stub, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.probeLocked(ctx, namespaces); err != nil {
		return err
	}
	w.policies, w.policyIndex = policies, max(meta.LastIndex, 1)
	maps.DeleteFunc(w.blocks, func(app scaler.AppID, _ watchedBlock) bool { return policies[app] == nil })
	return nil
}

// probeLocked finds out in which namespaces the token may not read overrides. Nomad
// lists none there.
func (w *overrideWatch) probeLocked(ctx context.Context, namespaces map[string]bool) error {
	for namespace := range namespaces {
		if denied, probed := w.denied[namespace]; probed && !denied {
			continue
		}
		_, err := w.store.readOverride(ctx, namespace, overridePrefix+"-")
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

// resolveLocked returns the listed overrides with their scaling blocks.
func (w *overrideWatch) resolveLocked(ctx context.Context) ([]AppOverride, error) {
	all := make([]AppOverride, 0, len(w.variables))
	for _, o := range w.variables {
		if o.Err == nil {
			var err error
			if o.Block, o.Err, err = w.blockLocked(ctx, o.App); err != nil {
				return nil, err
			}
		}
		all = append(all, o)
	}
	for namespace, denied := range w.denied {
		if denied {
			all = append(all, AppOverride{
				App: scaler.AppID{Namespace: namespace}, Path: overridePrefix,
				Err: fmt.Errorf("%w: the token needs the capabilities list and read on the variables %s* in namespace %s",
					ErrDenied, overridePrefix, namespace),
			})
		}
	}
	slices.SortFunc(all, func(a, b AppOverride) int {
		return cmp.Or(cmp.Compare(a.App.String(), b.App.String()), cmp.Compare(a.Path, b.Path))
	})
	return all, nil
}

// blockLocked returns the live scaling block of an app, or what is wrong with it.
func (w *overrideWatch) blockLocked(ctx context.Context, app scaler.AppID) (block jobspec.Block, wrong, err error) {
	stub := w.policies[app]
	if stub == nil {
		return jobspec.Block{}, fmt.Errorf("there is no scaling block of %s", app), nil
	}
	known := w.blocks[app]
	if known.index != stub.ModifyIndex {
		policy, _, err := w.store.api.Scaling().GetPolicy(stub.ID, queryOptions(ctx, app.Namespace))
		switch {
		case statusCode(err) == http.StatusForbidden, statusCode(err) == http.StatusNotFound:
			return jobspec.Block{}, wrap(withCapability("read-scaling-policy", app.Namespace, err), "reading the scaling block of %s", app), nil
		case err != nil:
			return jobspec.Block{}, nil, wrap(err, "reading the scaling block of %s", app)
		}
		known = watchedBlock{index: stub.ModifyIndex}
		known.block, known.err = jobspec.ParseBlock(policy)
		w.blocks[app] = known
	}
	return known.block, known.err, nil
}
