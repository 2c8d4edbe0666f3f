package nomadplugin

import (
	"context"
	"fmt"
	"maps"
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

// runTimeout bounds one run. The agent sets no limit of its own, and one run
// that hangs keeps every policy from being updated.
const runTimeout = 2 * time.Second

// Strategy decides by the policy in the check's strategy block. It asks Nomad
// for the desired count and the group's history and does not go by the count
// that the agent hands it, which leaves out instances that are starting.
type Strategy struct {
	log       hclog.Logger
	now       func() time.Time
	nomad     atomic.Pointer[nomad.Client]
	statuses  atomic.Pointer[nomad.StatusCache]
	overrides *nomad.Overrides
	cache     policyCache
	said      sync.Map // the rule by app that was logged last
	watch     follower
	dog       *watchdog
}

// NewStrategy returns a strategy that has no configuration yet.
func NewStrategy(log hclog.Logger) *Strategy {
	s := &Strategy{log: log, now: time.Now, dog: newWatchdog(log)}
	s.overrides = nomad.NewOverrides(s.ignored)
	return s
}

// ignored says what is wrong with an override.
func (s *Strategy) ignored(t scaler.AppID, err error) {
	log := s.log
	if t.Job != "" {
		log = log.With("namespace", t.Namespace, "job", t.Job, "group", t.Group)
	}
	log.Error("an override cannot be applied", "error", clean(err))
}

// PluginInfo tells the agent what this is.
func (s *Strategy) PluginInfo() (*base.PluginInfo, error) { return info(sdk.PluginTypeStrategy) }

// SetConfig takes Nomad's address and token from the agent's configuration, and
// begins to watch the overrides and the jobs there. What was known of overrides
// holds until it has found out. The agent calls it again when it reloads.
func (s *Strategy) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return clean(err)
	}
	limit, err := parseWatchdog(config[keyWatchdog])
	if err != nil {
		return clean(err)
	}
	s.dog.configure(limit)
	if s.nomad.Swap(client) == nil {
		go s.dog.run(context.Background(), s.nomad.Load)
	}
	statuses := nomad.NewStatusCache(client)
	s.statuses.Store(statuses)
	s.watch.follow(func(ctx context.Context) {
		var watches sync.WaitGroup
		watches.Go(func() { client.WatchOverrides(ctx, s.overrides.Report, s.overrides.Failed) })
		watches.Go(func() { watchStatuses(ctx, statuses, s.log) })
		watches.Wait()
	})
	return nil
}

// Run decides. When Nomad does not answer, the decision is to hold; a policy
// that cannot be used is an error, which the agent logs and does not act on.
func (s *Strategy) Run(eval *sdk.ScalingCheckEvaluation, _ int64) (*sdk.ScalingCheckEvaluation, error) {
	policy, err := s.cache.parse(eval.Check.Strategy.Config)
	if err != nil {
		return nil, clean(fmt.Errorf("policy of check %q: %w", eval.Check.Name, err))
	}
	s.dog.seen(policy.App)
	log := s.log.With("namespace", policy.App.Namespace, "job", policy.App.Job, "group", policy.App.Group)
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	decision, history, err := s.decide(ctx, policy, series(eval.Metrics))
	if err != nil {
		err = clean(err)
		log.Warn("holding the count: Nomad has not told what the decision turns on", "error", err)
		eval.Action = &sdk.ScalingAction{Direction: sdk.ScaleDirectionNone, Reason: err.Error()}
		return eval, nil
	}
	// The agent reads and weighs each line, even one that it then leaves out.
	if last, _ := s.said.Swap(policy.App, decision.Rule); last != decision.Rule || decision.Direction != scaler.None {
		log.Debug("decided", "rule", decision.Rule, "desired", decision.Desired, "count", decision.Count,
			"known", decision.Known, "load", decision.Load, "demand", decision.Demand, "utilisation", decision.Utilisation,
			"goal", decision.Goal, "min", decision.MinInstances, "max", decision.MaxInstances, "buffer", decision.BufferInstances,
			"up_cooldown", decision.UpCooldown, "down_cooldown", decision.DownCooldown, "overridden", decision.Override != nil,
			"reason", decision.Reason())
	}
	eval.Action = &sdk.ScalingAction{
		Count:     int64(decision.Count),
		Direction: directions[decision.Direction],
		Reason:    decision.Reason(),
		Meta:      nomad.Meta(decision, history),
	}
	return eval, nil
}

// decide decides by a status that was kept only as long as the count stays.
func (s *Strategy) decide(ctx context.Context, p scaler.Policy, load []scaler.Sample) (scaler.Decision, nomad.History, error) {
	if err := s.overrides.Wait(ctx); err != nil {
		return scaler.Decision{}, nomad.History{}, err
	}
	statuses := s.statuses.Load()
	status, kept, err := statuses.Status(ctx, p.App)
	for err == nil {
		now := s.now()
		d := scaler.Decide(s.overrides.Apply(p, now), scaler.Observation{
			Now:        now,
			Desired:    status.Desired,
			Series:     load,
			LastUp:     status.History.LastUp,
			LastChange: status.History.LastChange,
		})
		if !kept || d.Direction == scaler.None {
			return d, status.History, nil
		}
		kept = false
		status, err = statuses.Read(ctx, p.App)
	}
	return scaler.Decision{}, nomad.History{}, err
}

var directions = map[scaler.Direction]sdk.ScaleDirection{
	scaler.Up:   sdk.ScaleDirectionUp,
	scaler.Down: sdk.ScaleDirectionDown,
	scaler.None: sdk.ScaleDirectionNone,
}

func series(metrics sdk.TimestampedMetrics) []scaler.Sample {
	samples := make([]scaler.Sample, len(metrics))
	for i, m := range metrics {
		samples[i] = scaler.Sample{Time: m.Timestamp, Value: m.Value}
	}
	return samples
}

// policyCache keeps the parsed policy of each app for as long as its document
// stays the same. It is safe for concurrent use.
type policyCache struct {
	mutex sync.Mutex
	byApp map[string]cachedPolicy
}

type cachedPolicy struct {
	document scaler.Document
	policy   scaler.Policy
}

func (c *policyCache) parse(document scaler.Document) (scaler.Policy, error) {
	app := document["namespace"] + "/" + document["job"] + "/" + document["group"]
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if cached, ok := c.byApp[app]; ok && maps.Equal(cached.document, document) {
		return cached.policy, nil
	}
	policy, err := scaler.Parse(document)
	if err != nil {
		return scaler.Policy{}, err
	}
	if c.byApp == nil {
		c.byApp = make(map[string]cachedPolicy)
	}
	c.byApp[app] = cachedPolicy{document: maps.Clone(document), policy: policy}
	return policy, nil
}
