package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/examples/sandbox"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// maxInstances is max_instances in main.tf.
const maxInstances = 4

// cluster is a sandbox and the app in it.
type cluster struct {
	*sandbox.Sandbox
	policy scaler.Policy

	running  chan error // receives the result of the load in progress
	answered int
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	p, err := scaler.Parse(scaler.Document{"namespace": "default", "job": "hello", "group": "web"})
	if err != nil {
		return nil, err
	}
	box, err := sandbox.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &cluster{Sandbox: box, policy: p}, nil
}

// url is the app's URL at the gateway.
func (c *cluster) url() string { return c.Gateway + "/apps/" + c.policy.App.String() }

// answer is what the app says about itself.
type answer struct{ Started, Listening time.Time }

// get sends one request to the app.
func (c *cluster) get(ctx context.Context, path string) (a answer, err error) {
	return a, nomadtest.Get(ctx, c.url()+path, &a)
}

// count reads how many instances are desired and how many are running.
func (c *cluster) count(ctx context.Context) (desired, running int, err error) {
	status, err := c.Agent.Client.Status(ctx, c.policy.App)
	return status.Desired, status.Running, err
}

// until waits until the count meets a condition.
func (c *cluster) until(ctx context.Context, limit time.Duration, what string, condition func(desired, running int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.Agent.Poll(ctx, fmt.Sprintf("waiting %s for %s", limit, what), func() error {
		desired, running, err := c.count(ctx)
		if err != nil {
			return err
		}
		if !condition(desired, running) {
			return fmt.Errorf("%d desired, %d running", desired, running)
		}
		return nil
	})
}

// changeByHand changes a value of the policy in the job, as an operator would.
func (c *cluster) changeByHand(ctx context.Context, key, value string) error {
	jobs := c.Agent.API.Jobs()
	job, _, err := jobs.Info(c.policy.App.Job, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return err
	}
	config := nomadtest.StrategyConfig(job.LookupTaskGroup(c.policy.App.Group).Scaling)
	if _, ok := config[key]; !ok {
		return fmt.Errorf("the policy has no key %s", key)
	}
	config[key] = value
	_, _, err = jobs.RegisterOpts(job, &api.RegisterOptions{PreserveCounts: true}, nil)
	return err
}

// setKey sets the key in every nested block that has it, and reports whether one had it.
func setKey(value any, key, to string) (found bool) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			found = setKey(v, key, to) || found
		}
	case map[string]any:
		if _, ok := value[key]; ok {
			value[key] = to
			return true
		}
		for _, v := range value {
			found = setKey(v, key, to) || found
		}
	}
	return found
}
