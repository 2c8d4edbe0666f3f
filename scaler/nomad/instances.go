package nomad

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Instance is an allocation of a group, as far as serving requests goes.
type Instance struct {
	// ID is the allocation's ID.
	ID string
	// App is the group that it belongs to.
	App scaler.AppID
	// Index is the allocation's index within the group. Nomad stops the
	// highest first.
	Index int
	// Ports are the addresses by port label, in the order of the job.
	Ports []Port
	// Stopping tells that Nomad wants it stopped, or will not have it back.
	Stopping bool
	// Gone tells that it has ended.
	Gone bool
	// Failure is what last went wrong with its tasks, in Nomad's words; "" when
	// nothing has.
	Failure string
	// Failed tells that Nomad has given up starting it, for a while at least. If
	// it is gone as well, it has not been replaced.
	Failed bool
	// Next is the ID of the evaluation that is going to replace it, if any.
	Next string
	// ModifyIndex orders what is said of the same allocation.
	ModifyIndex uint64
}

// Port is a labelled port of an allocation.
type Port struct{ Label, Address string }

// Address is where the port of that label listens; "" takes the first port. It
// is "" when there is no such port.
func (i Instance) Address(label string) string {
	for _, port := range i.Ports {
		if label == "" || port.Label == label {
			return port.Address
		}
	}
	return ""
}

// InstanceWatcher is told of instances.
type InstanceWatcher interface {
	// Replace says that these are all instances there are.
	Replace([]Instance)
	// Update says that one instance is new or has changed.
	Update(Instance)
	// ReplaceEvaluations says that these are all evaluations that are pending.
	ReplaceEvaluations([]Evaluation)
	// UpdateEvaluation says that one evaluation is new or has changed.
	UpdateEvaluation(Evaluation)
	// Lost says that nothing is known of what happens from now on, until the
	// next Replace.
	Lost(error)
}

// relistInterval bounds how long an event that got lost goes unnoticed: the
// stream is not durable and its buffer holds 100 events.
const relistInterval = 30 * time.Second

// listTimeout bounds a list, so that a connection that has silently died is
// noticed by the next one.
const listTimeout = 15 * time.Second

// WatchInstances tells w of the allocations of all namespaces, and of what keeps
// Nomad from more of them, until the context ends: a list, and then every change
// as Nomad decides it.
func (c *Client) WatchInstances(ctx context.Context, w InstanceWatcher) {
	for ctx.Err() == nil {
		if err := c.watchInstances(ctx, w); err != nil && ctx.Err() == nil {
			w.Lost(err)
			wait(ctx, retryPause)
		}
	}
}

// watchInstances returns without an error when it is to begin anew at once.
func (c *Client) watchInstances(ctx context.Context, w InstanceWatcher) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	namespaces, index, err := c.listNamespaces(ctx, 0)
	if err != nil {
		return err
	}
	listed, err := c.list(ctx, w)
	if err != nil {
		return err
	}
	topics := map[api.Topic][]string{api.TopicAllocation: {"*"}, api.TopicEvaluation: {"*"}}
	events, err := c.api.EventStream().Stream(ctx, topics, listed[api.TopicEvaluation]+1, reading(ctx, api.AllNamespacesNamespace))
	if err != nil {
		return explain(needs("read-job", "*", err), "opening the event stream")
	}
	missed := make(chan error, 1)
	go func() { missed <- c.newNamespace(ctx, namespaces, index) }()
	relist := time.NewTicker(relistInterval)
	defer relist.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-missed:
			return err
		case <-relist.C:
			if listed, err = c.list(ctx, w); err != nil {
				return err
			}
		case batch, open := <-events:
			if !open {
				return fmt.Errorf("reading the event stream: it has ended")
			}
			if batch.Err != nil {
				return explain(batch.Err, "reading the event stream")
			}
			for _, event := range batch.Events {
				if event.Index <= listed[event.Topic] {
					continue
				}
				if err := tell(w, event); err != nil {
					return explain(err, "reading an event")
				}
			}
		}
	}
}

// tell passes on an event.
func tell(w InstanceWatcher, event api.Event) error {
	if event.Topic == api.TopicEvaluation {
		e, err := event.Evaluation()
		if err == nil && e != nil {
			w.UpdateEvaluation(evaluation(e))
		}
		return err
	}
	allocation, err := event.Allocation()
	if err == nil && allocation != nil {
		w.Update(instance(stub(allocation)))
	}
	return err
}

// list tells w of all evaluations, and then of all instances, which refer to
// them. It returns the indexes as of which that is.
func (c *Client) list(ctx context.Context, w InstanceWatcher) (listed map[api.Topic]uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	evaluations, err := c.listEvaluations(ctx, w)
	if err != nil {
		return nil, err
	}
	instances, err := c.listInstances(ctx, w)
	return map[api.Topic]uint64{api.TopicEvaluation: evaluations, api.TopicAllocation: instances}, err
}

func (c *Client) listInstances(ctx context.Context, w InstanceWatcher) (index uint64, err error) {
	query := reading(ctx, api.AllNamespacesNamespace)
	query.Params = map[string]string{"resources": "true"}
	allocations, meta, err := c.api.Allocations().List(query)
	if err != nil {
		return 0, explain(needs("read-job", "*", err), "listing allocations")
	}
	instances := make([]Instance, 0, len(allocations))
	for _, allocation := range allocations {
		instances = append(instances, instance(allocation))
	}
	w.Replace(instances)
	return meta.LastIndex, nil
}

// stub is an allocation of an event in the form of a list's.
func stub(a *api.Allocation) *api.AllocationListStub {
	a.Job = nil
	s := a.Stub()
	s.AllocatedResources = a.AllocatedResources
	return s
}

func instance(a *api.AllocationListStub) Instance {
	i := Instance{
		ID: a.ID, App: scaler.AppID{Namespace: a.Namespace, Job: a.JobID, Group: a.TaskGroup},
		Index:       allocationIndex(a.Name),
		Stopping:    a.DesiredStatus != api.AllocDesiredStatusRun,
		ModifyIndex: a.ModifyIndex,
		Next:        a.FollowupEvalID,
	}
	i.Failure, i.Failed = failure(a.TaskStates)
	switch a.ClientStatus {
	case api.AllocClientStatusPending, api.AllocClientStatusRunning:
	default:
		i.Gone = true
		i.Failed = a.ClientStatus == api.AllocClientStatusFailed && !i.Stopping
	}
	if i.Failed && i.Failure == "" {
		i.Failure = plain(a.ClientDescription)
	}
	if a.AllocatedResources != nil {
		for _, port := range a.AllocatedResources.Shared.Ports {
			i.Ports = append(i.Ports, Port{Label: port.Label, Address: net.JoinHostPort(port.HostIP, strconv.Itoa(port.Value))})
		}
	}
	return i
}

// allocationIndex is the number at the end of an allocation's name, job.group[3].
func allocationIndex(name string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(name[strings.LastIndexByte(name, '[')+1:], "]"))
	if err != nil {
		return 0
	}
	return n
}
