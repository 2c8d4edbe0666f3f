// Package nomad is nomadscale's client of Nomad. It reads jobs, instances, scaling
// policies and overrides, scales groups, and writes jobs.
package nomad

import (
	"fmt"
	"os"

	"github.com/hashicorp/nomad/api"
)

// Client is a client of one region of Nomad. Its methods are grouped by role.
type Client struct {
	*Jobs
	*Deployments
	*Scaling
	*Watches
	*OverrideStore

	api *api.Client
}

// DefaultConfig returns the configuration that the NOMAD_* variables describe. A
// task whose NOMAD_ADDR is not set uses its own socket, with its workload identity.
func DefaultConfig() *api.Config {
	config := api.DefaultConfig()
	if socket := os.Getenv("NOMAD_UNIX_ADDR"); socket != "" && os.Getenv("NOMAD_ADDR") == "" {
		config.Address = socket
	}
	return config
}

// New returns a client. It does not send a request yet.
func New(config *api.Config) (*Client, error) {
	if err := limitConnections(config); err != nil {
		return nil, fmt.Errorf("configuring the Nomad client: %w", err)
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("configuring the Nomad client: %w", err)
	}
	jobs := &Jobs{api: c}
	deployments := &Deployments{api: c, jobs: jobs}
	return &Client{
		Jobs:          jobs,
		Deployments:   deployments,
		Scaling:       &Scaling{api: c, jobs: jobs, deployments: deployments},
		Watches:       &Watches{api: c},
		OverrideStore: &OverrideStore{api: c, jobs: jobs},
		api:           c,
	}, nil
}

// Address returns the address of Nomad, for messages.
func (c *Client) Address() string { return c.api.Address() }

// API returns the client of the Nomad project that this client uses.
func (c *Client) API() *api.Client { return c.api }
