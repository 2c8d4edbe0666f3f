package nomad

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"
)

// EndDelay ends the shutdown_delay of an allocation that Nomad is stopping, so that it
// stops at once. It does nothing if the allocation has ended. It refuses an allocation
// that Nomad is not stopping, because Nomad would replace that.
func (s *Scaling) EndDelay(ctx context.Context, allocation string) error {
	a, _, err := s.api.Allocations().Info(allocation, queryOptions(ctx, ""))
	if err != nil {
		return wrap(withCapability("read-job", "*", err), "reading allocation %s", allocation)
	}
	if a.DesiredStatus != api.AllocDesiredStatusStop {
		return fmt.Errorf("ending the shutdown delay of allocation %s: it is not being stopped, its desired status is %s",
			allocation, a.DesiredStatus)
	}
	if a.ClientTerminalStatus() {
		return nil
	}
	query := queryOptions(ctx, a.Namespace)
	query.Params = map[string]string{"no_shutdown_delay": "true"}
	_, err = s.api.Allocations().Stop(&api.Allocation{ID: a.ID}, query)
	return wrap(withCapability("alloc-lifecycle", a.Namespace, err), "ending the shutdown delay of allocation %s", allocation)
}
