package nomadplugin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	agent "github.com/hashicorp/nomad-autoscaler/sdk/helper/nomad"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// statusTimeout bounds the question for the count. An agent that gets no answer to
// its first one drops the policy for good, so Nomad is given time.
const statusTimeout = 5 * time.Second

// Target carries out what a strategy has decided. Beside the agent's own target
// it goes by the desired count, changes it only if it is still what the strategy
// saw, and is not held up by the deployment of an earlier change of the count.
type Target struct {
	log      hclog.Logger
	nomad    atomic.Pointer[nomad.Client]
	statuses atomic.Pointer[nomad.StatusCache]
	watch    follower
}

// NewTarget returns a target that has no configuration yet.
func NewTarget(log hclog.Logger) *Target { return &Target{log: log} }

// PluginInfo tells the agent what this is.
func (t *Target) PluginInfo() (*base.PluginInfo, error) { return info(sdk.PluginTypeTarget) }

// SetConfig takes Nomad's address and token from the agent's configuration, and
// begins to watch the jobs there. The agent calls it again when it reloads.
func (t *Target) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return clean(err)
	}
	statuses := nomad.NewStatusCache(client)
	t.nomad.Store(client)
	t.statuses.Store(statuses)
	t.watch.follow(func(ctx context.Context) { watchStatuses(ctx, statuses, t.log) })
	return nil
}

// watchStatuses keeps what is known of counts until the context ends.
func watchStatuses(ctx context.Context, statuses *nomad.StatusCache, log hclog.Logger) {
	statuses.Watch(ctx, func(err error) {
		log.Warn("every evaluation asks Nomad for the count: changes are not told", "error", clean(err))
	})
}

// Status returns the desired count. A job that is gone is one that is not ready:
// the agent does not outlive being told that there is none.
func (t *Target) Status(config map[string]string) (*sdk.TargetStatus, error) {
	app, err := group(config)
	if err != nil {
		return nil, clean(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, _, err := t.statuses.Load().Status(ctx, app)
	if errors.Is(err, nomad.ErrNotFound) {
		return &sdk.TargetStatus{}, nil
	}
	if err != nil {
		return nil, clean(err)
	}
	answer := &sdk.TargetStatus{Ready: !status.Stopped, Count: int64(status.Desired), Meta: map[string]string{}}
	if last := status.History.LastChange; !last.IsZero() {
		answer.Meta[sdk.TargetStatusMetaKeyLastEvent] = strconv.FormatInt(last.UnixNano(), 10)
	}
	return answer, nil
}

// Scale changes the count. When the count has changed since the decision, or a
// rollout is in the way, it changes nothing and the agent decides anew at its
// next evaluation.
func (t *Target) Scale(action sdk.ScalingAction, config map[string]string) error {
	app, err := group(config)
	if err != nil {
		return clean(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	defer t.statuses.Load().Forget(app)
	if action.Count == sdk.StrategyActionMetaValueDryRunCount {
		return clean(t.nomad.Load().Record(ctx, app, action.Reason, action.Meta))
	}
	from, err := t.from(ctx, app, action)
	if err != nil {
		return clean(err)
	}
	change := nomad.Change{From: from, To: int(action.Count), Reason: action.Reason, Meta: action.Meta}
	err = t.nomad.Load().SetCount(ctx, app, change)
	if errors.Is(err, nomad.ErrConflict) || errors.Is(err, nomad.ErrLocked) {
		t.log.Info("leaving the count as it is", "namespace", app.Namespace, "job", app.Job, "group", app.Group, "reason", clean(err))
		return sdk.NewTargetScalingNoOpError("%s", clean(err))
	}
	return clean(err)
}

// from is the count that the decision was made on: nomadscale's strategy says
// it, and other strategies go by the one that [Target.Status] answers.
func (t *Target) from(ctx context.Context, app scaler.AppID, action sdk.ScalingAction) (int, error) {
	if desired, ok := nomad.MetaDesired(action.Meta); ok {
		return desired, nil
	}
	status, _, err := t.statuses.Load().Status(ctx, app)
	return status.Desired, err
}

// group is the target that the agent names.
func group(config map[string]string) (scaler.AppID, error) {
	app := scaler.AppID{
		Namespace: orDefault(config[sdk.TargetConfigKeyNamespace], defaultNamespace),
		Job:       config[sdk.TargetConfigKeyJob],
		Group:     config[sdk.TargetConfigKeyTaskGroup],
	}
	if app.Job == "" || app.Group == "" {
		return app, fmt.Errorf("the target's config has Job = %q and Group = %q: both must be set", app.Job, app.Group)
	}
	return app, nil
}
