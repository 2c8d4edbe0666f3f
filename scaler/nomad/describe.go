package nomad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Description is what Nomad tells of an app that explains its count.
type Description struct {
	App scaler.AppID
	// Block is the live scaling block, unless BlockErr says why there is none:
	// [ErrNotFound] without a nomadscale policy, or the errors of [scaler.Parse].
	Block    Block
	BlockErr error
	// Status is the count and its history.
	Status Status
	// Override is the app's, nil without; OverrideErr is why it is not known.
	Override    *AppOverride
	OverrideErr error
	// Deployment is why a deployment keeps the count from being changed, or nil.
	Deployment error
	// Failures are why instances do not start, in Nomad's words.
	Failures []string
}

// Describe reads all that explains the count of an app. It returns [ErrNotFound]
// when there is no such job and [ErrNoGroup] when it has no such group.
func (c *Client) Describe(ctx context.Context, t scaler.AppID) (Description, error) {
	d := Description{App: t}
	job, err := c.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil {
		return d, needs("read-job", t.Namespace, err)
	}
	if d.Block, d.BlockErr = liveBlock(job, t); errors.Is(d.BlockErr, ErrNoGroup) {
		return d, d.BlockErr
	}
	if d.Status, err = c.Status(ctx, t); err != nil {
		return d, err
	}
	switch override, err := c.Override(ctx, t); {
	case err == nil:
		d.Override = &override
	case !errors.Is(err, ErrNotFound):
		d.OverrideErr = err
	}
	if d.Failures, err = c.StartFailures(ctx, t); err != nil {
		return d, err
	}
	d.Deployment, err = c.inTheWay(ctx, job, d.Block)
	return d, err
}

// inTheWay is why the job's deployment, if one is active, keeps the count from
// being changed. Only nomadscale's own target gets past that of an earlier
// change of the count; so do the gateways.
func (c *Client) inTheWay(ctx context.Context, job *api.Job, b Block) (reason, err error) {
	deployment, _, err := c.api.Jobs().LatestDeployment(*job.ID, reading(ctx, *job.Namespace))
	if err != nil || deployment == nil {
		return nil, explain(err, "reading the deployment of job %s", *job.ID)
	}
	switch deployment.Status {
	case api.DeploymentStatusSuccessful, api.DeploymentStatusFailed, api.DeploymentStatusCancelled:
		return nil, nil
	}
	switch err := c.rollout(ctx, job); {
	case errors.Is(err, ErrLocked):
		return err, nil
	case err != nil:
		return nil, explain(err, "reading the deployment of job %s", *job.ID)
	case b.Target != Driver:
		return fmt.Errorf("%w of the autoscaler: Nomad scales no job that is being deployed, and only the gateways and the target %s get past that", ErrLocked, Driver), nil
	default:
		return nil, nil
	}
}

// Block reads the live scaling block of an app. It returns [ErrNotFound] when
// there is no such job or no nomadscale policy in it, [ErrNoGroup], or the errors
// of [scaler.Parse].
func (c *Client) Block(ctx context.Context, t scaler.AppID) (Block, error) {
	job, err := c.ReadJob(ctx, t.Namespace, t.Job)
	if err != nil {
		return Block{}, needs("read-job", t.Namespace, err)
	}
	return liveBlock(job, t)
}

func liveBlock(job *api.Job, t scaler.AppID) (Block, error) {
	if err := hasGroup(job, t); err != nil {
		return Block{}, err
	}
	group := job.LookupTaskGroup(t.Group)
	if group.Scaling == nil {
		return Block{}, fmt.Errorf("a scaling block in group %s of job %s: %w", t.Group, t.Job, ErrNotFound)
	}
	block, err := ParseBlock(group.Scaling)
	if err == nil && block.Policy.App != t {
		err = fmt.Errorf("the policy names %s as its target, but stands in %s", block.Policy.App, t)
	}
	return block, err
}

// hasGroup returns [ErrNoGroup] when a job does not have a target's group.
func hasGroup(job *api.Job, t scaler.AppID) error {
	if job.LookupTaskGroup(t.Group) == nil {
		return fmt.Errorf("%w: job %s has no group %q; its groups are %s", ErrNoGroup, t.Job, t.Group, strings.Join(groupNames(job), ", "))
	}
	return nil
}

// QueryWindow is how far back the load is looked at to decide.
func (b Block) QueryWindow() time.Duration { return queryWindow(b.Policy) }

// Apps lists the apps of all namespaces that the token may see, by name.
func (c *Client) Apps(ctx context.Context) ([]App, error) {
	w := appWatch{client: c, policies: make(map[string]watchedPolicy)}
	if _, err := w.next(ctx); err != nil {
		return nil, err
	}
	apps := w.apps()
	slices.SortFunc(apps, func(a, b App) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return apps, nil
}

// statusReaders is how many statuses are read at once.
const statusReaders = 8

// Statuses reads the counts and histories of apps, with an error for each that
// could not be read.
func (c *Client) Statuses(ctx context.Context, targets []scaler.AppID) ([]Status, []error) {
	all, errs := make([]Status, len(targets)), make([]error, len(targets))
	turns := make(chan struct{}, statusReaders)
	var readers sync.WaitGroup
	for i, t := range targets {
		turns <- struct{}{}
		readers.Go(func() {
			all[i], errs[i] = c.Status(ctx, t)
			<-turns
		})
	}
	readers.Wait()
	return all, errs
}

// Event is a scaling event of a group.
type Event struct {
	// Action is the change of the count. When nothing changed, From and To are
	// the same.
	Action
	// Failed tells that the event is about something that went wrong.
	Failed bool
	// Decision is what the event says of the decision behind it; nil when it was
	// by hand, or another's.
	Decision *EventDecision
}

// EventDecision is what a scaling event keeps of a decision.
type EventDecision struct {
	// Known tells whether the load was known; Load, Demand and Utilisation are
	// as in [scaler.Decision], to three digits.
	Known                     bool
	Load, Demand, Utilisation float64
	// Goal is the count that the load called for.
	Goal int
	// Min, Max and Buffer are those of the policy with the override that was in
	// force until OverrideUntil; zero without. They are nil in events that do
	// not tell them.
	Min, Max, Buffer *int
	OverrideUntil    time.Time
}

// Events reads the scaling events of a group, newest first. It returns
// [ErrNotFound] when there is no such job or group.
func (c *Client) Events(ctx context.Context, t scaler.AppID) ([]Event, error) {
	job, _, err := c.api.Jobs().ScaleStatus(t.Job, reading(ctx, t.Namespace))
	if err != nil {
		return nil, explain(needs("read-job-scaling", t.Namespace, err), "reading the scaling events of %s", t)
	}
	group, ok := job.TaskGroups[t.Group]
	if !ok {
		return nil, fmt.Errorf("reading the scaling events of %s: the group: %w", t, ErrNotFound)
	}
	events := make([]Event, len(group.Events))
	for i, e := range group.Events {
		events[i] = readEvent(e)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return events, nil
}

func readEvent(e api.ScalingEvent) Event {
	action, changed := readAction(e)
	if !changed {
		action = Action{Time: time.Unix(0, int64(e.Time)), From: int(e.PreviousCount), To: int(e.PreviousCount), Reason: e.Message}
	}
	event := Event{Action: action, Failed: e.Error}
	rule, _ := e.Meta[metaRule].(string)
	if rule == "" {
		return event
	}
	event.Rule = scaler.Rule(rule)
	d := EventDecision{
		Min: metaCounted(e.Meta, metaMin), Max: metaCounted(e.Meta, metaMax), Buffer: metaCounted(e.Meta, metaBuffer),
		OverrideUntil: metaTime(e, metaOverride),
	}
	d.Goal, _ = metaInt(e.Meta, metaGoal)
	d.Load, d.Known = metaFloat(e.Meta, metaLoad)
	d.Demand, _ = metaFloat(e.Meta, metaDemand)
	d.Utilisation, _ = metaFloat(e.Meta, metaUtilisation)
	event.Decision = &d
	return event
}

func metaCounted(meta map[string]any, key string) *int {
	if n, ok := metaInt(meta, key); ok {
		return &n
	}
	return nil
}

func metaFloat(meta map[string]any, key string) (float64, bool) {
	value, _ := meta[key].(string)
	n, err := strconv.ParseFloat(value, 64)
	return n, err == nil
}
