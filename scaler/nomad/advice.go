package nomad

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Advise tells what in a job works against the scaling of the group that a
// block is for, beside what the policy says of itself. The job may be as it was
// parsed or as Nomad keeps it.
func Advise(job *api.Job, b Block) []scaler.Advice {
	if !b.Policy.Enabled || b.Policy.MinInstances == b.Policy.MaxInstances {
		return nil
	}
	job = canonical(job)
	group := job.LookupTaskGroup(b.Policy.App.Group)
	if group == nil {
		return nil
	}
	var advice []scaler.Advice
	for _, check := range []func(*api.Job, *api.TaskGroup, Block) *scaler.Advice{adviseUpdate, adviseRevert, adviseShutdown} {
		if a := check(job, group, b); a != nil {
			advice = append(advice, *a)
		}
	}
	return advice
}

// canonical copies a job and fills in Nomad's defaults.
func canonical(job *api.Job) *api.Job {
	whole := new(api.Job)
	// What came from JSON or Nomad goes there and back.
	text, _ := json.Marshal(job)
	_ = json.Unmarshal(text, whole)
	whole.Canonicalize()
	return whole
}

// deploys tells whether changes of a group are deployments.
func deploys(group *api.TaskGroup) bool {
	return group.Update != nil && *group.Update.MaxParallel != 0
}

// adviseUpdate: each change of a count is a deployment of all groups that
// deploy, and Nomad refuses the next change until it is over. Only our own
// target passes it.
func adviseUpdate(job *api.Job, _ *api.TaskGroup, b Block) *scaler.Advice {
	if b.Target == Driver {
		return nil
	}
	for _, group := range job.TaskGroups {
		u := group.Update
		if !deploys(group) || *u.HealthCheck == "task_states" && *u.MinHealthyTime == 0 {
			continue
		}
		lasts := "until the new instances have been healthy for " + scaler.FormatDuration(*u.MinHealthyTime)
		switch {
		case *u.HealthCheck == "manual":
			lasts = "until somebody has set the health of the new instances"
		case *u.MinHealthyTime == 0:
			lasts = "until the checks of the new instances pass"
		}
		return &scaler.Advice{
			Summary: "The update block locks scaling",
			Reason: fmt.Sprintf("To Nomad each change of the count is a deployment of group %s, by its update block or by the default one, and the autoscaler can neither add nor remove instances while that runs: %s (health_check = %q).",
				*group.Name, lasts, *u.HealthCheck),
			Remedy: fmt.Sprintf("Set max_parallel = 0, or health_check = \"task_states\" with min_healthy_time = \"0s\", in the update block of group %s; or target = %q in the policy, which does not wait for such deployments.", *group.Name, Driver),
		}
	}
	return nil
}

// adviseRevert: what an automatic revert goes back to has the count of its time.
func adviseRevert(job *api.Job, _ *api.TaskGroup, _ Block) *scaler.Advice {
	for _, group := range job.TaskGroups {
		if !deploys(group) || !*group.Update.AutoRevert {
			continue
		}
		return &scaler.Advice{
			Summary: "auto_revert works against autoscaling",
			Reason: fmt.Sprintf("Group %s has auto_revert. A change of the count is a deployment too: if one new instance does not become healthy, Nomad goes back to the last stable version of the whole job, with the count and the policy of that time. And so that it goes by deployments that succeed, nothing scales the job while one is running.",
				*group.Name),
			Remedy: fmt.Sprintf("Remove auto_revert from the update block of group %s, or set max_parallel = 0 there.", *group.Name),
		}
	}
	return nil
}

// adviseShutdown: without a delay a process is told to end as soon as nothing
// new is sent to it.
func adviseShutdown(_ *api.Job, group *api.TaskGroup, _ Block) *scaler.Advice {
	if !serves(group) || group.ShutdownDelay != nil && *group.ShutdownDelay > 0 {
		return nil
	}
	for _, task := range group.Tasks {
		if task.ShutdownDelay > 0 {
			return nil
		}
	}
	return &scaler.Advice{
		Summary: "Scaling down can cut requests",
		Reason:  fmt.Sprintf("Group %s serves requests and has no shutdown_delay, so Nomad signals an instance to end at once when it is scaled down, with requests in flight.", *group.Name),
		Remedy:  fmt.Sprintf("Set shutdown_delay in group %s to the time that requests take, such as shutdown_delay = \"30s\". Gateways with --end-shutdown-delays end it early, when the last request has ended.", *group.Name),
	}
}

// serves tells whether a group has a port or a service.
func serves(group *api.TaskGroup) bool {
	networks := group.Networks
	served := len(group.Services) > 0
	for _, task := range group.Tasks {
		served = served || len(task.Services) > 0
		if task.Resources != nil {
			networks = append(networks, task.Resources.Networks...)
		}
	}
	for _, network := range networks {
		served = served || len(network.DynamicPorts)+len(network.ReservedPorts) > 0
	}
	return served
}
