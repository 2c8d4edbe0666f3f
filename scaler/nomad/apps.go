package nomad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// App is a group with a nomadscale policy.
type App struct {
	// ID names it, as the scaling block's target says.
	ID scaler.AppID
	// Policy is its policy, unless Err says why there is none.
	Policy scaler.Policy
	// Err is what is wrong with the policy, or nil.
	Err error
	// Created orders apps by age: the older one has the lower number.
	Created uint64
}

// retryPause is the time between two tries to reach Nomad.
const retryPause = time.Second

// WatchApps reports all apps of all namespaces now and whenever one changes,
// until the context ends. One query waits for all of them. Failures are
// reported too, and the watch goes on.
func (c *Client) WatchApps(ctx context.Context, report func([]App), failed func(error)) {
	w := appWatch{client: c, policies: make(map[string]watchedPolicy)}
	for ctx.Err() == nil {
		changed, err := w.next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed(err)
			wait(ctx, retryPause)
		case changed:
			report(w.apps())
		}
	}
}

// appWatch keeps the policies that it has read, so that a change of one costs
// one read.
type appWatch struct {
	client   *Client
	index    uint64
	policies map[string]watchedPolicy
}

type watchedPolicy struct {
	index uint64
	app   App
	// foreign policies use another strategy.
	foreign bool
}

// next waits for a change and reads what has changed.
func (w *appWatch) next(ctx context.Context) (changed bool, err error) {
	query := reading(ctx, api.AllNamespacesNamespace)
	query.WaitIndex = w.index
	stubs, meta, err := w.client.api.Scaling().ListPolicies(query)
	if err != nil {
		return false, explain(needs("list-scaling-policies", "*", err), "listing scaling policies")
	}
	if len(stubs) == 0 {
		if err := w.allowed(ctx); err != nil {
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
	// An index that goes back means that the servers have lost their state.
	if w.index = meta.LastIndex; w.index == 0 {
		w.index = 1
	}
	return changed, nil
}

// allowed tells a token that may see no policy from a Nomad that has none: over
// all namespaces, the list is empty for both.
func (w *appWatch) allowed(ctx context.Context) error {
	_, _, err := w.client.api.Scaling().ListPolicies(reading(ctx, ""))
	return explain(needs("list-scaling-policies", "*", err), "listing scaling policies")
}

func (w *appWatch) read(ctx context.Context, stub *api.ScalingPolicyListStub) (watchedPolicy, error) {
	namespace := stub.Target["Namespace"]
	block, _, err := w.client.api.Scaling().GetPolicy(stub.ID, reading(ctx, namespace))
	if err != nil {
		return watchedPolicy{}, explain(needs("read-scaling-policy", namespace, err), "reading scaling policy %s", stub.ID)
	}
	policy := watchedPolicy{
		index: stub.ModifyIndex,
		app:   App{ID: appOf(stub), Created: stub.CreateIndex},
	}
	parsed, err := ParseBlock(block)
	switch {
	case errors.Is(err, ErrNotFound):
		policy.foreign = true
	case err != nil:
		policy.app.Err = err
	case parsed.Policy.App != policy.app.ID:
		policy.app.Err = fmt.Errorf("the policy names %s as its target, but stands in %s", parsed.Policy.App, policy.app.ID)
	default:
		policy.app.Policy = parsed.Policy
	}
	return policy, nil
}

// appOf is the group that a scaling policy of Nomad's targets.
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

// EnabledApps lists the apps whose policy is valid and enabled.
func (c *Client) EnabledApps(ctx context.Context) ([]scaler.AppID, error) {
	w := appWatch{client: c, policies: make(map[string]watchedPolicy)}
	if _, err := w.next(ctx); err != nil {
		return nil, err
	}
	var enabled []scaler.AppID
	for _, app := range w.apps() {
		if app.Err == nil && app.Policy.Enabled {
			enabled = append(enabled, app.ID)
		}
	}
	return enabled, nil
}
