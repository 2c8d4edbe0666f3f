package nomad

import (
	"net"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Instance is an allocation of a group, with what matters for serving requests.
type Instance struct {
	// ID is the allocation's ID.
	ID string
	// App is the group that it belongs to.
	App scaler.AppID
	// Index is the allocation's index within the group. Nomad stops the highest index
	// first.
	Index int
	// Ports are the addresses by port label, in the order of the job.
	Ports []Port
	// Stopping means that Nomad stops the allocation, or will not start it again.
	Stopping bool
	// Gone means that the allocation has ended.
	Gone bool
	// Failure is the last failure of its tasks, in Nomad's words; "" if there is none.
	Failure string
	// Failed means that Nomad has given up starting it, at least for a while. If it
	// is gone as well, Nomad has not replaced it.
	Failed bool
	// Next is the ID of the evaluation that will replace it, if any.
	Next string
	// ModifyIndex orders the states of one allocation.
	ModifyIndex uint64
}

// Port is a labelled port of an allocation.
type Port struct{ Label, Address string }

// Address returns the address of the port with a label, or of the first port for "".
// It returns "" if there is no such port.
func (i Instance) Address(label string) string {
	for _, port := range i.Ports {
		if label == "" || port.Label == label {
			return port.Address
		}
	}
	return ""
}

func newInstance(a *api.AllocationListStub) Instance {
	i := Instance{
		ID: a.ID, App: scaler.AppID{Namespace: a.Namespace, Job: a.JobID, Group: a.TaskGroup},
		Index:       allocationIndex(a.Name),
		Stopping:    a.DesiredStatus != api.AllocDesiredStatusRun,
		ModifyIndex: a.ModifyIndex,
		Next:        a.FollowupEvalID,
	}
	i.Failure, i.Failed = taskFailure(a.TaskStates)
	switch a.ClientStatus {
	case api.AllocClientStatusPending, api.AllocClientStatusRunning:
	default:
		i.Gone = true
		i.Failed = a.ClientStatus == api.AllocClientStatusFailed && !i.Stopping
	}
	if i.Failed && i.Failure == "" {
		i.Failure = redact(a.ClientDescription)
	}
	if a.AllocatedResources != nil {
		for _, port := range a.AllocatedResources.Shared.Ports {
			i.Ports = append(i.Ports, Port{Label: port.Label, Address: net.JoinHostPort(port.HostIP, strconv.Itoa(port.Value))})
		}
	}
	return i
}

// allocationIndex returns the number at the end of an allocation's name,
// job.group[3].
func allocationIndex(name string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(name[strings.LastIndexByte(name, '[')+1:], "]"))
	if err != nil {
		return 0
	}
	return n
}
