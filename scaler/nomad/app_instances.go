package nomad

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// PlacedInstance is an instance and where it is.
type PlacedInstance struct {
	Instance
	// Node is the name of the node that it is on.
	Node string
	// Running tells that its tasks run, which is not yet that they take requests.
	Running bool
}

// Instances lists the instances of an app that have not ended, by index.
func (c *Client) Instances(ctx context.Context, t scaler.AppID) ([]PlacedInstance, error) {
	query := reading(ctx, t.Namespace)
	query.Params = map[string]string{"resources": "true"}
	query.Filter = fmt.Sprintf("JobID == %q and TaskGroup == %q", t.Job, t.Group)
	allocations, _, err := c.api.Allocations().List(query)
	if err != nil {
		return nil, explain(needs("read-job", t.Namespace, err), "listing the instances of %s", t)
	}
	instances := make([]PlacedInstance, 0, len(allocations))
	for _, a := range allocations {
		if i := instance(a); !i.Gone {
			instances = append(instances, PlacedInstance{i, a.NodeName, a.ClientStatus == api.AllocClientStatusRunning})
		}
	}
	slices.SortFunc(instances, func(a, b PlacedInstance) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
	})
	return instances, nil
}
