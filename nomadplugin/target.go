package nomadplugin

import (
	"cmp"
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

const (
	// statusTimeout limits the time to read the count. If the first read of a policy
	// fails, the agent drops the policy for good, so Nomad gets more time here.
	statusTimeout = 5 * time.Second
	// scaleTimeout limits the time to change the count.
	scaleTimeout = 2 * time.Second
)

// Target changes the count as a strategy decided. Unlike the agent's own target,
// it reads the desired count and changes it only if it is still the one that the
// strategy saw. The deployment of an earlier change of the count does not delay it.
type Target struct {
	log      hclog.Logger
	nomad    atomic.Pointer[nomad.Client]
	statuses atomic.Pointer[nomad.StatusCache]
	watches  background
}

// NewTarget returns a target that has no configuration yet.
func NewTarget(log hclog.Logger) *Target { return &Target{log: log} }

// PluginInfo describes the plugin to the agent.
func (t *Target) PluginInfo() (*base.PluginInfo, error) { return pluginInfo(sdk.PluginTypeTarget) }

// SetConfig takes Nomad's address and token from the agent's configuration and
// starts to watch the jobs. The agent calls it again at each reload.
func (t *Target) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return cleanError(err)
	}
	statuses := nomad.NewStatusCache(client)
	t.nomad.Store(client)
	t.statuses.Store(statuses)
	t.watches.replace(func(ctx context.Context) { watchStatuses(ctx, statuses, t.log) })
	return nil
}

// Status returns the desired count. It reports a missing job as one that is not
// ready, because the agent crashes when it is told that there is no job.
func (t *Target) Status(config map[string]string) (*sdk.TargetStatus, error) {
	app, err := targetApp(config)
	if err != nil {
		return nil, cleanError(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, _, err := t.statuses.Load().Status(ctx, app)
	if errors.Is(err, nomad.ErrNotFound) {
		return &sdk.TargetStatus{}, nil
	}
	if err != nil {
		return nil, cleanError(err)
	}
	answer := &sdk.TargetStatus{Ready: !status.Stopped, Count: int64(status.Desired), Meta: map[string]string{}}
	if last := status.History.LastChange; !last.IsZero() {
		answer.Meta[sdk.TargetStatusMetaKeyLastEvent] = strconv.FormatInt(last.UnixNano(), 10)
	}
	return answer, nil
}

// Scale changes the count. It changes nothing if the count has changed since the
// decision or a rollout blocks the change. The agent then decides again at its next
// evaluation.
func (t *Target) Scale(action sdk.ScalingAction, config map[string]string) error {
	app, err := targetApp(config)
	if err != nil {
		return cleanError(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scaleTimeout)
	defer cancel()
	defer t.statuses.Load().Forget(app)
	if action.Count == sdk.StrategyActionMetaValueDryRunCount {
		return cleanError(t.nomad.Load().Record(ctx, app, action.Reason, action.Meta))
	}
	from, err := t.decidedFrom(ctx, app, action)
	if err != nil {
		return cleanError(err)
	}
	change := nomad.Change{From: from, To: int(action.Count), Reason: action.Reason, Meta: action.Meta}
	err = t.nomad.Load().SetCount(ctx, app, change)
	if errors.Is(err, nomad.ErrConflict) || errors.Is(err, nomad.ErrLocked) {
		logFor(t.log, app).Info("leaving the count as it is", "reason", cleanError(err))
		return sdk.NewTargetScalingNoOpError("%s", cleanError(err))
	}
	return cleanError(err)
}

// decidedFrom returns the count on which the strategy decided. The strategy of
// nomadscale puts it into the action; others use the count of [Target.Status].
func (t *Target) decidedFrom(ctx context.Context, app scaler.AppID, action sdk.ScalingAction) (int, error) {
	if desired, ok := nomad.MetaDesired(action.Meta); ok {
		return desired, nil
	}
	status, _, err := t.statuses.Load().Status(ctx, app)
	return status.Desired, err
}

// targetApp reads from a target's config which app to scale.
func targetApp(config map[string]string) (scaler.AppID, error) {
	app := scaler.AppID{
		Namespace: cmp.Or(config[sdk.TargetConfigKeyNamespace], defaultNamespace),
		Job:       config[sdk.TargetConfigKeyJob],
		Group:     config[sdk.TargetConfigKeyTaskGroup],
	}
	if app.Job == "" || app.Group == "" {
		return app, fmt.Errorf("the target's config has Job = %q and Group = %q: both must be set", app.Job, app.Group)
	}
	return app, nil
}
