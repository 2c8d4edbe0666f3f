package nomad

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// App is a group with a nomadscale policy.
type App struct {
	// ID is the group that the scaling block is in.
	ID scaler.AppID
	// Policy is its policy, unless Err is set.
	Policy scaler.Policy
	// Err is what is wrong with the policy, or nil.
	Err error
	// Created orders apps by age: the older one has the lower number.
	Created uint64
}

// WatchApps reports all apps of all namespaces now and whenever one changes, until the
// context ends. One blocking query waits for all of them. WatchApps also reports
// failures, and continues.
func (w *Watches) WatchApps(ctx context.Context, report func([]App), failed func(error)) {
	watch := newAppWatch(w)
	for ctx.Err() == nil {
		changed, err := watch.next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed(err)
			sleep(ctx, retryPause)
		case changed:
			report(watch.apps())
		}
	}
}

// Apps lists the apps of all namespaces that the token may see, by name.
func (w *Watches) Apps(ctx context.Context) ([]App, error) {
	watch := newAppWatch(w)
	if _, err := watch.next(ctx); err != nil {
		return nil, err
	}
	apps := watch.apps()
	slices.SortFunc(apps, func(a, b App) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return apps, nil
}

// EnabledApps lists the apps whose policy is valid and enabled.
func (w *Watches) EnabledApps(ctx context.Context) ([]scaler.AppID, error) {
	watch := newAppWatch(w)
	if _, err := watch.next(ctx); err != nil {
		return nil, err
	}
	var enabled []scaler.AppID
	for _, app := range watch.apps() {
		if app.Err == nil && app.Policy.Enabled {
			enabled = append(enabled, app.ID)
		}
	}
	return enabled, nil
}

// appWatch keeps the policies that it has read, so that one changed policy costs one
// read.
type appWatch struct {
	api      *api.Client
	index    uint64
	policies map[string]watchedPolicy
}

type watchedPolicy struct {
	index uint64
	app   App
	// foreign means that the policy uses another strategy.
	foreign bool
}

func newAppWatch(w *Watches) appWatch {
	return appWatch{api: w.api, policies: make(map[string]watchedPolicy)}
}

// next waits for a change and reads the changed policies.
func (w *appWatch) next(ctx context.Context) (changed bool, err error) {
	stubs, meta, err := w.api.Scaling().ListPolicies(blockingOptions(ctx, api.AllNamespacesNamespace, w.index))
	if err != nil {
		return false, wrap(withCapability("list-scaling-policies", "*", err), "listing scaling policies")
	}
	if len(stubs) == 0 {
		if err := w.checkCapability(ctx); err != nil {
			return false, err
		}
	}
	seen := make(map[string]bool, len(stubs))
	for _, stub := range stubs {
		seen[stub.ID] = true
		if w.policies[stub.ID].index == stub.ModifyIndex {
			continue
		}
		policy, err := w.read(ctx, stub)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		w.policies[stub.ID] = policy
		changed = true
	}
	for id := range w.policies {
		if !seen[id] {
			delete(w.policies, id)
			changed = true
		}
	}
	changed = changed || w.index == 0
	// An index that decreases means that the servers have lost their state.
	w.index = max(meta.LastIndex, 1)
	return changed, nil
}

// checkCapability returns an error if the token may see no policy. The list over all
// namespaces is then empty, as it is if there are no policies.
func (w *appWatch) checkCapability(ctx context.Context) error {
	_, _, err := w.api.Scaling().ListPolicies(queryOptions(ctx, ""))
	return wrap(withCapability("list-scaling-policies", "*", err), "listing scaling policies")
}

func (w *appWatch) read(ctx context.Context, stub *api.ScalingPolicyListStub) (watchedPolicy, error) {
	namespace := stub.Target["Namespace"]
	scaling, _, err := w.api.Scaling().GetPolicy(stub.ID, queryOptions(ctx, namespace))
	if err != nil {
		return watchedPolicy{}, wrap(withCapability("read-scaling-policy", namespace, err), "reading scaling policy %s", stub.ID)
	}
	policy := watchedPolicy{index: stub.ModifyIndex, app: App{ID: appOf(stub), Created: stub.CreateIndex}}
	block, err := jobspec.ParseBlock(scaling)
	if err == nil {
		err = block.CheckTarget(policy.app.ID)
	}
	switch {
	case errors.Is(err, jobspec.ErrNotFound):
		policy.foreign = true
	case err != nil:
		policy.app.Err = err
	default:
		policy.app.Policy = block.Policy
	}
	return policy, nil
}

// appOf returns the group that a scaling policy of Nomad targets.
func appOf(stub *api.ScalingPolicyListStub) scaler.AppID {
	return scaler.AppID{Namespace: stub.Target["Namespace"], Job: stub.Target["Job"], Group: stub.Target["Group"]}
}

func (w *appWatch) apps() []App {
	apps := make([]App, 0, len(w.policies))
	for _, policy := range w.policies {
		if !policy.foreign {
			apps = append(apps, policy.app)
		}
	}
	return apps
}
