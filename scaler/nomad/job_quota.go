package nomad

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// Quotas reads the quota of each namespace once. Only Nomad Enterprise has quotas.
// The zero value is ready for use.
type Quotas struct {
	mu          sync.Mutex
	byNamespace map[string]*api.QuotaSpec
}

// Advise returns advice if a namespace's quota is too small for the maximum of a
// policy. Region is the client's region; "" is the agent's own. There is no advice
// if the quota cannot be read.
func (q *Quotas) Advise(ctx context.Context, c *Client, job *api.Job, b jobspec.Block, region string) []scaler.Advice {
	job = jobspec.WithDefaults(job)
	group := job.LookupTaskGroup(b.Policy.App.Group)
	if group == nil {
		return nil
	}
	if region == "" {
		region = *job.Region
	}
	spec := q.of(ctx, c, b.Policy.App.Namespace)
	limits := limitsIn(spec, region)
	if limits == nil {
		return nil
	}
	var advice []scaler.Advice
	for _, r := range []struct {
		what, unit string
		limit      *int
		one        func(*api.Resources) *int
	}{
		{"cpu", "MHz", limits.CPU, func(r *api.Resources) *int { return r.CPU }},
		{"cores", "cores", limits.Cores, func(r *api.Resources) *int { return r.Cores }},
		{"memory", "MB", limits.MemoryMB, func(r *api.Resources) *int { return r.MemoryMB }},
	} {
		each := 0
		for _, task := range group.Tasks {
			if n := r.one(task.Resources); n != nil {
				each += *n
			}
		}
		// Nomad takes 0 for no limit. A negative limit allows nothing.
		if each == 0 || r.limit == nil || *r.limit == 0 || each*b.Policy.MaxInstances <= *r.limit {
			continue
		}
		fit := max(*r.limit, 0) / each
		remedy := fmt.Sprintf("Raise the quota, or set max_instances to %d or less.", fit)
		if fit == 0 {
			remedy = "Raise the quota, or use another namespace."
		}
		advice = append(advice, scaler.Advice{
			Key:     "max_instances",
			Summary: "max_instances is beyond the namespace's quota",
			Reason: fmt.Sprintf("%d instances of group %s need %d %s (%s), and quota %s allows namespace %s %d: "+
				"%d of them fit, if nothing else runs there.",
				b.Policy.MaxInstances, *group.Name, each*b.Policy.MaxInstances, r.unit, r.what, spec.Name,
				b.Policy.App.Namespace, max(*r.limit, 0), fit),
			Remedy: remedy,
		})
	}
	return advice
}

// of returns the quota of a namespace, or nil if it has none or it cannot be read.
func (q *Quotas) of(ctx context.Context, c *Client, namespace string) *api.QuotaSpec {
	q.mu.Lock()
	defer q.mu.Unlock()
	spec, asked := q.byNamespace[namespace]
	if asked {
		return spec
	}
	if found, _, err := c.api.Namespaces().Info(namespace, queryOptions(ctx, "")); err == nil && found.Quota != "" {
		spec, _, _ = c.api.Quotas().Info(found.Quota, queryOptions(ctx, ""))
	}
	if q.byNamespace == nil {
		q.byNamespace = make(map[string]*api.QuotaSpec)
	}
	q.byNamespace[namespace] = spec
	return spec
}

// limitsIn returns the limits of a quota in a region, or nil.
func limitsIn(spec *api.QuotaSpec, region string) *api.QuotaResources {
	if spec == nil {
		return nil
	}
	for _, limit := range spec.Limits {
		if limit.Region == region {
			return limit.RegionLimit
		}
	}
	return nil
}
