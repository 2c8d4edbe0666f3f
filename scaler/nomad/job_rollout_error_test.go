package nomad

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestRolloutErrorText(t *testing.T) {
	err := &RolloutError{
		Namespace: "prod", Job: "shop", Reason: "its deployment has failed",
		Deployment:  &api.Deployment{ID: "0123456789abcdef", Status: "failed", StatusDescription: "Failed due to unhealthy allocations - rolling back to job version 2"},
		Blocked:     []string{"Group web, 2 not placed: memory exhausted on 3 of 3 nodes."},
		Allocations: []AllocationTrouble{{ID: "fedcba9876543210", Name: "shop.web[1]", Node: "n1", Status: "failed", Events: []string{"task app: Terminated: Exit Code: 1"}}},
		cause:       context.DeadlineExceeded,
	}
	want := `Job shop in namespace prod: its deployment has failed.
Deployment 01234567, failed: Failed due to unhealthy allocations - rolling back to job version 2.
Group web, 2 not placed: memory exhausted on 3 of 3 nodes.
Allocation fedcba98 (shop.web[1]) on node n1 is failed: task app: Terminated: Exit Code: 1.

To look further:
  nomad job status -namespace=prod shop
  nomad deployment status -namespace=prod 01234567
  nomad alloc status -namespace=prod fedcba98
  nomad alloc logs -stderr -namespace=prod fedcba98`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause is lost")
	}
}

func TestBlockedGroups(t *testing.T) {
	metric := &api.AllocationMetric{
		NodesEvaluated: 4, CoalescedFailures: 1, ConstraintFiltered: map[string]int{"${attr.gpu} exists": 3},
		DimensionExhausted: map[string]int{"memory": 1, "cpu": 1}, QuotaExhausted: []string{"memory"},
	}
	want := []string{"Group web, 2 not placed: constraint ${attr.gpu} exists excludes 3 of 4 nodes; cpu exhausted on 1 of 4 nodes; memory exhausted on 1 of 4 nodes; quota exhausted: memory."}
	tried := &api.Evaluation{Status: "complete", FailedTGAllocs: map[string]*api.AllocationMetric{"web": metric}}
	if diff := cmp.Diff(want, blockedGroups([]*api.Evaluation{{Status: "blocked"}, tried})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := blockedGroups([]*api.Evaluation{tried}); got != nil {
		t.Errorf("placed meanwhile, but reported: %q", got)
	}
	if got := placementObstacles(&api.AllocationMetric{NodePool: "gpu"}); !slices.Equal(got, []string{`no node in node pool "gpu" is ready in the job's datacenters`}) {
		t.Errorf("without nodes: %q", got)
	}
}

func TestTroubledAllocations(t *testing.T) {
	r := rollout{version: 2, deployment: &api.Deployment{}}
	health := func(healthy bool) *api.AllocDeploymentStatus { return &api.AllocDeploymentStatus{Healthy: &healthy} }
	got := r.troubled([]*api.AllocationListStub{
		{ID: "old", JobVersion: 1, ClientStatus: "failed"},
		{ID: "fine", JobVersion: 2, ClientStatus: "running", DesiredStatus: "run", DeploymentStatus: health(true)},
		{ID: "slow", JobVersion: 2, ClientStatus: "running", DesiredStatus: "run"},
		{ID: "sick", JobVersion: 2, ClientStatus: "running", DesiredStatus: "run", DeploymentStatus: health(false)},
		{ID: "dead", JobVersion: 3, ClientStatus: "failed", DesiredStatus: "stop", TaskStates: map[string]*api.TaskState{
			"app":  {Failed: true, Events: []*api.TaskEvent{{Type: "Received"}, {Type: "Started"}, {Type: "Terminated", DisplayMessage: "Exit Code: 1"}, {Type: "Not Restarting", DisplayMessage: "no"}}},
			"side": {Events: []*api.TaskEvent{{Type: "Killed"}}},
		}},
		{ID: "late", JobVersion: 2, ClientStatus: "pending", DesiredStatus: "run"},
	})
	var ids []string
	for _, a := range got {
		ids = append(ids, a.ID)
	}
	if want := []string{"sick", "dead", "slow"}; !slices.Equal(ids, want) {
		t.Fatalf("reported %v, want %v", ids, want)
	}
	if events := strings.Join(got[1].Events, "; "); events != "task app: Started: ; task app: Terminated: Exit Code: 1; task app: Not Restarting: no" {
		t.Errorf("the events are %q", events)
	}
}
