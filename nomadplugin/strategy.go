package nomadplugin

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	agent "github.com/hashicorp/nomad-autoscaler/sdk/helper/nomad"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// decideTimeout limits the time of one decision. The agent sets no limit of its
// own, and one run that hangs keeps every policy from being updated.
const decideTimeout = 2 * time.Second

// Strategy decides by the policy in the check's strategy block. It reads the
// desired count and the history from Nomad. The count that the agent passes leaves
// out instances that are starting.
type Strategy struct {
	log        hclog.Logger
	now        func() time.Time
	nomad      atomic.Pointer[nomad.Client]
	statuses   atomic.Pointer[nomad.StatusCache]
	overrides  *nomad.Overrides
	policies   policyCache
	loggedRule sync.Map // by app, the last rule that was logged
	watches    background
	watchdog   *watchdog
}

// NewStrategy returns a strategy that has no configuration yet.
func NewStrategy(log hclog.Logger) *Strategy {
	s := &Strategy{log: log, now: time.Now, watchdog: newWatchdog(log)}
	s.overrides = nomad.NewOverrides(s.logBadOverride)
	return s
}

// logBadOverride logs why an override is ignored. The app may be unknown.
func (s *Strategy) logBadOverride(app scaler.AppID, err error) {
	log := s.log
	if app.Job != "" {
		log = logFor(log, app)
	}
	log.Error("an override cannot be applied", "error", cleanError(err))
}

// PluginInfo describes the plugin to the agent.
func (s *Strategy) PluginInfo() (*base.PluginInfo, error) { return pluginInfo(sdk.PluginTypeStrategy) }

// SetConfig takes Nomad's address and token from the agent's configuration and
// starts to watch overrides and jobs. Known overrides stay in force until they are
// read again. The agent calls it again at each reload.
func (s *Strategy) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return cleanError(err)
	}
	limit, err := parseWatchdog(config[keyWatchdog])
	if err != nil {
		return cleanError(err)
	}
	s.watchdog.configure(limit)
	if s.nomad.Swap(client) == nil {
		go s.watchdog.run(context.Background(), s.nomad.Load)
	}
	statuses := nomad.NewStatusCache(client)
	s.statuses.Store(statuses)
	s.watches.replace(func(ctx context.Context) {
		var watches sync.WaitGroup
		watches.Go(func() { client.WatchOverrides(ctx, s.overrides.Report, s.overrides.Failed) })
		watches.Go(func() { watchStatuses(ctx, statuses, s.log) })
		watches.Wait()
	})
	return nil
}

// Run decides. If Nomad does not answer, the decision is to hold the count. A
// policy that cannot be used is an error: the agent logs it and does nothing.
func (s *Strategy) Run(eval *sdk.ScalingCheckEvaluation, _ int64) (*sdk.ScalingCheckEvaluation, error) {
	policy, err := s.policies.parse(eval.Check.Strategy.Config)
	if err != nil {
		return nil, cleanError(fmt.Errorf("policy of check %q: %w", eval.Check.Name, err))
	}
	s.watchdog.evaluated(policy.App)
	ctx, cancel := context.WithTimeout(context.Background(), decideTimeout)
	defer cancel()
	decision, history, err := s.decide(ctx, policy, samples(eval.Metrics))
	if err != nil {
		err = cleanError(err)
		logFor(s.log, policy.App).Warn("holding the count: what the decision needs could not be read from Nomad", "error", err)
		eval.Action = &sdk.ScalingAction{Direction: sdk.ScaleDirectionNone, Reason: err.Error()}
		return eval, nil
	}
	s.logDecision(policy.App, decision)
	eval.Action = &sdk.ScalingAction{
		Count:     int64(decision.Count),
		Direction: directions[decision.Direction],
		Reason:    decision.Reason(),
		Meta:      nomad.Meta(decision, history),
	}
	return eval, nil
}

// decide decides on a cached status if the count stays. To change the count, it
// decides again on a status that it reads from Nomad.
func (s *Strategy) decide(ctx context.Context, p scaler.Policy, load []scaler.Sample) (scaler.Decision, nomad.History, error) {
	if err := s.overrides.Wait(ctx); err != nil {
		return scaler.Decision{}, nomad.History{}, err
	}
	statuses := s.statuses.Load()
	status, cached, err := statuses.Status(ctx, p.App)
	for err == nil {
		now := s.now()
		d := scaler.Decide(*s.overrides.Apply(&p, now), scaler.Observation{
			Now:        now,
			Desired:    status.Desired,
			Series:     load,
			LastUp:     status.History.LastUp,
			LastChange: status.History.LastChange,
		})
		if !cached || d.Direction == scaler.None {
			return d, status.History, nil
		}
		cached = false
		status, err = statuses.Read(ctx, p.App)
	}
	return scaler.Decision{}, nomad.History{}, err
}

var directions = map[scaler.Direction]sdk.ScaleDirection{
	scaler.Up:   sdk.ScaleDirectionUp,
	scaler.Down: sdk.ScaleDirectionDown,
	scaler.None: sdk.ScaleDirectionNone,
}

// logDecision logs a decision that changes the count, or that another rule made
// than the last one. The agent parses every line, even one that it does not print.
func (s *Strategy) logDecision(app scaler.AppID, d scaler.Decision) {
	if last, _ := s.loggedRule.Swap(app, d.Rule); last == d.Rule && d.Direction == scaler.None {
		return
	}
	logFor(s.log, app).Debug("decided", "rule", d.Rule, "desired", d.Desired, "count", d.Count,
		"known", d.Known, "load", d.Load, "demand", d.Demand, "utilisation", d.Utilisation,
		"goal", d.Goal, "min", d.MinInstances, "max", d.MaxInstances, "buffer", d.BufferInstances,
		"up_cooldown", d.UpCooldown, "down_cooldown", d.DownCooldown, "overridden", d.Override != nil,
		"reason", d.Reason())
}
