package jobspec

import (
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Advise returns advice about settings of a job that work against the scaling of
// the block's group. The policy itself gives advice about its own keys. The job can
// come from the parser or from Nomad.
func Advise(job *api.Job, b Block) []scaler.Advice {
	if !b.Policy.Enabled || b.Policy.MinInstances == b.Policy.MaxInstances {
		return nil
	}
	job = WithDefaults(job)
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

// adviseUpdate warns of update blocks that lock scaling. Each change of a count is a
// deployment of all groups that deploy, and Nomad refuses the next change until it
// ends. Only our own target bypasses that.
func adviseUpdate(job *api.Job, _ *api.TaskGroup, b Block) *scaler.Advice {
	if b.Target == Driver {
		return nil
	}
	for _, group := range job.TaskGroups {
		u := group.Update
		if !Deploys(group) || *u.HealthCheck == "task_states" && *u.MinHealthyTime == 0 {
			continue
		}
		lasts := "until the new instances have been healthy for " + scaler.FormatDuration(*u.MinHealthyTime)
		switch {
		case *u.HealthCheck == "manual":
			lasts = "until an operator has set the health of the new instances"
		case *u.MinHealthyTime == 0:
			lasts = "until the checks of the new instances pass"
		}
		return &scaler.Advice{
			Summary: "The update block locks scaling",
			Reason: fmt.Sprintf("Nomad makes a deployment of each change of the count, because of the update block of group %s "+
				"or the default one. The autoscaler can neither add nor remove instances while that runs: %s (health_check = %q).",
				*group.Name, lasts, *u.HealthCheck),
			Remedy: fmt.Sprintf("Set max_parallel = 0, or health_check = \"task_states\" with min_healthy_time = \"0s\", "+
				"in the update block of group %s. Or set target = %q in the policy, which does not wait for such deployments.", *group.Name, Driver),
		}
	}
	return nil
}

// adviseRevert warns of auto_revert: Nomad goes back to a version with its old count.
func adviseRevert(job *api.Job, _ *api.TaskGroup, _ Block) *scaler.Advice {
	for _, group := range job.TaskGroups {
		if !Deploys(group) || !*group.Update.AutoRevert {
			continue
		}
		return &scaler.Advice{
			Summary: "auto_revert works against autoscaling",
			Reason: fmt.Sprintf("Group %s has auto_revert. A change of the count is a deployment too: if one new instance does not become healthy, "+
				"Nomad goes back to the last stable version of the whole job, with the count and the policy of that time. "+
				"Nothing scales the job while a deployment is running, because auto_revert depends on deployments that succeed.",
				*group.Name),
			Remedy: fmt.Sprintf("Remove auto_revert from the update block of group %s, or set max_parallel = 0 there.", *group.Name),
		}
	}
	return nil
}

// adviseShutdown warns of a missing shutdown_delay. Without it, Nomad signals a
// process to end as soon as it gets no new requests.
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
		Reason: fmt.Sprintf("Group %s serves requests and has no shutdown_delay. "+
			"Nomad therefore signals an instance to end at once when it scales the group down, with requests in flight.", *group.Name),
		Remedy: fmt.Sprintf("Set shutdown_delay in group %s to the time that requests take, such as shutdown_delay = \"30s\". "+
			"Gateways with --end-shutdown-delays end the delay early, when the last request has ended.", *group.Name),
	}
}

// serves reports whether a group has a port or a service.
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
