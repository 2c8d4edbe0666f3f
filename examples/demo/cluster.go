package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// maxInstances is what the quickstart declares.
const maxInstances = 4

// cluster is a Nomad with the gateway and the autoscaler as jobs.
type cluster struct {
	agent *nomadtest.Agent
	dir   string
	root  string
	// gateway and admin are the URLs of the gateway's listeners.
	gateway, admin string
	policy         scaler.Policy

	running  chan error // of the load that is being sent
	answered int
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	c := &cluster{dir: dir}
	var err error
	if c.root, err = nomadtest.Root(); err != nil {
		return nil, err
	}
	if c.policy, err = scaler.Parse(scaler.Document{"namespace": "default", "job": "hello", "group": "web"}); err != nil {
		return nil, err
	}
	for name, pkg := range map[string]string{"plugins/nomadscale": ".", "app": "./examples/app"} {
		if _, err := nomadtest.Build(dir, name, pkg); err != nil {
			return nil, err
		}
	}
	nomadBinary, err := nomadtest.FindTool("nomad")
	if err != nil {
		return nil, err
	}
	autoscaler, err := nomadtest.FindTool("nomad-autoscaler")
	if err != nil {
		return nil, err
	}
	if c.agent, err = nomadtest.Run(ctx, nomadBinary, nomadtest.Options{Dir: dir}); err != nil {
		return nil, err
	}
	ports, err := nomadtest.FreePorts(1)
	if err == nil {
		err = errors.Join(
			c.agent.Submit(c.job("gateway"), map[string]string{"nomadscale": filepath.Join(dir, "plugins", "nomadscale"), "http_port": strconv.Itoa(ports[0])}),
			c.agent.Submit(c.job("autoscaler"), map[string]string{"autoscaler": autoscaler, "plugin_dir": filepath.Join(dir, "plugins")}),
			c.findGateway(ctx),
		)
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) stop() error { return c.agent.Stop() }

// job is the file of one of the jobs that users run too.
func (c *cluster) job(name string) string {
	return filepath.Join(c.root, "examples", "nomad", name+".nomad.hcl")
}

// findGateway waits until the gateway is ready, found by its services.
func (c *cluster) findGateway(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return c.agent.Poll(ctx, "waiting for the gateway to be ready", func() error {
		for service, url := range map[string]*string{"nomadscale-gateway": &c.gateway, "nomadscale-gateway-admin": &c.admin} {
			registrations, _, err := c.agent.API.Services().Get(service, nil)
			if err != nil {
				return err
			}
			if len(registrations) == 0 {
				return fmt.Errorf("there is no service %s", service)
			}
			*url = fmt.Sprintf("http://%s:%d", registrations[0].Address, registrations[0].Port)
		}
		return nomadtest.Get(ctx, c.admin+"/readyz", nil)
	})
}

// url is where the app is reached.
func (c *cluster) url() string { return c.gateway + "/apps/" + c.policy.App() }

// answer is what the app says of itself.
type answer struct{ Started, Listening time.Time }

// get sends one request to the app.
func (c *cluster) get(ctx context.Context, path string) (a answer, err error) {
	return a, nomadtest.Get(ctx, c.url()+path, &a)
}

// count reads how many instances are desired and how many run.
func (c *cluster) count(ctx context.Context) (desired, running int, err error) {
	status, err := c.agent.Client.Status(ctx, c.policy)
	return status.Desired, status.Running, err
}

// until waits for a count.
func (c *cluster) until(ctx context.Context, limit time.Duration, what string, condition func(desired, running int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.agent.Poll(ctx, fmt.Sprintf("waiting %s for %s", limit, what), func() error {
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

// changeByHand changes a value of the policy as a person would: in the job.
func (c *cluster) changeByHand(ctx context.Context, key, value string) error {
	jobs := c.agent.API.Jobs()
	job, _, err := jobs.Info(c.policy.Job, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return err
	}
	if !setKey(job.LookupTaskGroup(c.policy.Group).Scaling.Policy, key, value) {
		return fmt.Errorf("the policy has no key %s", key)
	}
	_, _, err = jobs.RegisterOpts(job, &api.RegisterOptions{PreserveCounts: true}, nil)
	return err
}

// setKey sets the key wherever it stands in nested blocks.
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
