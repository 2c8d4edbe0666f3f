// Package nomad is everything nomadscale says to Nomad: reading scaling
// policies, instances and history, scaling, and writing jobs.
package nomad

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Client speaks to one region of Nomad.
type Client struct {
	api *api.Client
	// turns are those of the writes of each job.
	turns turns
}

// DefaultConfig is the configuration that the NOMAD_* variables describe. A task
// whose NOMAD_ADDR is not set speaks through its own socket, with its workload
// identity.
func DefaultConfig() *api.Config {
	config := api.DefaultConfig()
	if socket := os.Getenv("NOMAD_UNIX_ADDR"); socket != "" && os.Getenv("NOMAD_ADDR") == "" {
		config.Address = socket
	}
	return config
}

// New returns a client. It does not talk to Nomad yet.
func New(config *api.Config) (*Client, error) {
	if err := pool(config); err != nil {
		return nil, fmt.Errorf("configuring the Nomad client: %w", err)
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("configuring the Nomad client: %w", err)
	}
	return &Client{api: c}, nil
}

// Address is where the client reaches Nomad, for messages.
func (c *Client) Address() string { return c.api.Address() }

// API is the client of the Nomad project underneath.
func (c *Client) API() *api.Client { return c.api }

// ErrNotFound is what Nomad answers with when there is no such thing.
var ErrNotFound = errors.New("not found")

// ErrConflict is returned when what was to be written has changed meanwhile.
var ErrConflict = errors.New("changed meanwhile")

// ErrDenied is what Nomad answers when the token may not do something.
var ErrDenied = errors.New("permission denied")

// needs says which capability a token lacks that Nomad has refused.
func needs(capability, namespace string, err error) error {
	if status(err) != http.StatusForbidden {
		return err
	}
	return fmt.Errorf("%w: the token needs the capability %s in namespace %s", ErrDenied, capability, namespace)
}

// status is the HTTP status that an error of Nomad's carries, or 0.
func status(err error) int {
	var response api.UnexpectedResponseError
	if errors.As(err, &response) && response.HasStatusCode() {
		return response.StatusCode()
	}
	return 0
}

// explain wraps an error of Nomad's with what was being done.
func explain(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	if status(err) == http.StatusNotFound {
		err = ErrNotFound
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(doing, args...), err)
}

func reading(ctx context.Context, namespace string) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: namespace}).WithContext(ctx)
}

func writing(ctx context.Context, namespace string) *api.WriteOptions {
	return (&api.WriteOptions{Namespace: namespace}).WithContext(ctx)
}

// wait pauses before another try, and reports whether there is to be one.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
