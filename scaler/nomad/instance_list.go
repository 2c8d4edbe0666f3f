package nomad

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// PlacedInstance is an instance on a node.
type PlacedInstance struct {
	Instance
	// Node is the name of the node.
	Node string
	// Running means that its tasks run. It may not accept requests yet.
	Running bool
}

// Instances lists the instances of an app that have not ended, by index.
func (w *Watches) Instances(ctx context.Context, app scaler.AppID) ([]PlacedInstance, error) {
	query := queryOptions(ctx, app.Namespace)
	query.Params = map[string]string{"resources": "true"}
	query.Filter = fmt.Sprintf("JobID == %q and TaskGroup == %q", app.Job, app.Group)
	allocations, _, err := w.api.Allocations().List(query)
	if err != nil {
		return nil, wrap(withCapability("read-job", app.Namespace, err), "listing the instances of %s", app)
	}
	instances := make([]PlacedInstance, 0, len(allocations))
	for _, a := range allocations {
		if i := newInstance(a); !i.Gone {
			instances = append(instances, PlacedInstance{i, a.NodeName, a.ClientStatus == api.AllocClientStatusRunning})
		}
	}
	slices.SortFunc(instances, func(a, b PlacedInstance) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
	})
	return instances, nil
}

// ServiceAddresses lists the addresses of the instances of a Nomad service, as
// host:port.
func (w *Watches) ServiceAddresses(ctx context.Context, namespace, service string) ([]string, error) {
	registrations, _, err := w.api.Services().Get(service, queryOptions(ctx, namespace))
	if err != nil {
		return nil, wrap(withCapability("read-job", namespace, err), "finding service %s", service)
	}
	addresses := make([]string, 0, len(registrations))
	for _, r := range registrations {
		addresses = append(addresses, net.JoinHostPort(r.Address, strconv.Itoa(r.Port)))
	}
	return addresses, nil
}
