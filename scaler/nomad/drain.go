package nomad

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"
)

// EndDelay ends the shutdown_delay of an allocation that Nomad is stopping, so
// that it is stopped at once. It refuses any other allocation, for Nomad would
// replace that; one that has ended is left alone.
func (c *Client) EndDelay(ctx context.Context, allocation string) error {
	a, _, err := c.api.Allocations().Info(allocation, reading(ctx, ""))
	if err != nil {
		return explain(needs("read-job", "*", err), "reading allocation %s", allocation)
	}
	if a.DesiredStatus != api.AllocDesiredStatusStop {
		return fmt.Errorf("ending the shutdown delay of allocation %s: it is not being stopped, but to %s", allocation, a.DesiredStatus)
	}
	if a.ClientTerminalStatus() {
		return nil
	}
	query := reading(ctx, a.Namespace)
	query.Params = map[string]string{"no_shutdown_delay": "true"}
	_, err = c.api.Allocations().Stop(&api.Allocation{ID: a.ID}, query)
	return explain(needs("alloc-lifecycle", a.Namespace, err), "ending the shutdown delay of allocation %s", allocation)
}
