package nomad

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/nomad/api"
)

// InstanceWatcher receives the states of instances and evaluations.
type InstanceWatcher interface {
	// Replace replaces all instances.
	Replace([]Instance)
	// Update adds or replaces one instance.
	Update(Instance)
	// ReplaceEvaluations replaces all pending evaluations.
	ReplaceEvaluations([]Evaluation)
	// UpdateEvaluation adds or replaces one evaluation.
	UpdateEvaluation(Evaluation)
	// Lost reports that changes are unknown from now on, until the next Replace.
	Lost(error)
}

// relistInterval limits how long a lost event goes unnoticed. The stream is not
// durable, and its buffer holds 100 events.
const relistInterval = 30 * time.Second

// WatchInstances passes the allocations of all namespaces to a watcher, and the
// evaluations that prevent further ones, until the context ends. It passes lists, and
// then every change at the time of Nomad's decision.
func (w *Watches) WatchInstances(ctx context.Context, watcher InstanceWatcher) {
	for ctx.Err() == nil {
		if err := w.watchInstances(ctx, watcher); err != nil && ctx.Err() == nil {
			watcher.Lost(err)
			sleep(ctx, retryPause)
		}
	}
}

// watchInstances returns without an error if the watch must restart at once.
func (w *Watches) watchInstances(ctx context.Context, watcher InstanceWatcher) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	namespaces, index, err := w.listNamespaces(ctx, 0)
	if err != nil {
		return err
	}
	listed, err := w.list(ctx, watcher)
	if err != nil {
		return err
	}
	topics := map[api.Topic][]string{api.TopicAllocation: {"*"}, api.TopicEvaluation: {"*"}}
	events, err := w.api.EventStream().Stream(ctx, topics, listed[api.TopicEvaluation]+1, queryOptions(ctx, api.AllNamespacesNamespace))
	if err != nil {
		return wrap(withCapability("read-job", "*", err), "opening the event stream")
	}
	missed := make(chan error, 1)
	go func() { missed <- w.awaitNewNamespace(ctx, namespaces, index) }()
	relist := time.NewTicker(relistInterval)
	defer relist.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-missed:
			return err
		case <-relist.C:
			if listed, err = w.list(ctx, watcher); err != nil {
				return err
			}
		case batch, open := <-events:
			if !open {
				return errors.New("reading the event stream: it has ended")
			}
			if batch.Err != nil {
				return wrap(batch.Err, "reading the event stream")
			}
			for _, event := range batch.Events {
				if event.Index <= listed[event.Topic] {
					continue
				}
				if err := passOn(watcher, event); err != nil {
					return wrap(err, "reading an event")
				}
			}
		}
	}
}

// passOn passes an event to a watcher.
func passOn(watcher InstanceWatcher, event api.Event) error {
	if event.Topic == api.TopicEvaluation {
		e, err := event.Evaluation()
		if err == nil && e != nil {
			watcher.UpdateEvaluation(newEvaluation(e))
		}
		return err
	}
	allocation, err := event.Allocation()
	if err == nil && allocation != nil {
		watcher.Update(newInstance(stub(allocation)))
	}
	return err
}

// stub converts the allocation of an event to the form that a list has.
func stub(a *api.Allocation) *api.AllocationListStub {
	a.Job = nil
	s := a.Stub()
	s.AllocatedResources = a.AllocatedResources
	return s
}

// list passes all evaluations to a watcher, and then all instances, which refer to
// them. It returns the indexes of the lists.
func (w *Watches) list(ctx context.Context, watcher InstanceWatcher) (listed map[api.Topic]uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	evaluations, err := w.listEvaluations(ctx, watcher)
	if err != nil {
		return nil, err
	}
	instances, err := w.listInstances(ctx, watcher)
	return map[api.Topic]uint64{api.TopicEvaluation: evaluations, api.TopicAllocation: instances}, err
}

func (w *Watches) listEvaluations(ctx context.Context, watcher InstanceWatcher) (index uint64, err error) {
	query := queryOptions(ctx, api.AllNamespacesNamespace)
	query.Filter = pendingEvaluations
	listed, meta, err := w.api.Evaluations().List(query)
	if err != nil {
		return 0, wrap(withCapability("read-job", "*", err), "listing evaluations")
	}
	evaluations := make([]Evaluation, len(listed))
	for i, e := range listed {
		evaluations[i] = newEvaluation(e)
	}
	watcher.ReplaceEvaluations(evaluations)
	return meta.LastIndex, nil
}

func (w *Watches) listInstances(ctx context.Context, watcher InstanceWatcher) (index uint64, err error) {
	query := queryOptions(ctx, api.AllNamespacesNamespace)
	query.Params = map[string]string{"resources": "true"}
	allocations, meta, err := w.api.Allocations().List(query)
	if err != nil {
		return 0, wrap(withCapability("read-job", "*", err), "listing allocations")
	}
	instances := make([]Instance, len(allocations))
	for i, allocation := range allocations {
		instances[i] = newInstance(allocation)
	}
	watcher.Replace(instances)
	return meta.LastIndex, nil
}
