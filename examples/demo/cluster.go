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

// maxInstances is the maximum that main.tf declares.
const maxInstances = 4

// cluster is a sandbox and the app in it.
type cluster struct {
	*sandbox.Sandbox
	policy scaler.Policy

	loadResult chan error // receives the error of the current load
	answered   int        // requests of all loads that were answered
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

// url returns the app's URL at the gateway.
func (c *cluster) url() string { return c.Gateway + "/apps/" + c.policy.App.String() }

// answer is the app's response.
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

// await waits for a count.
func (c *cluster) await(ctx context.Context, limit time.Duration, what string, condition func(desired, running int) bool) error {
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

// changeManually changes a value of the policy in the job, without Terraform.
func (c *cluster) changeManually(ctx context.Context, key, value string) error {
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
