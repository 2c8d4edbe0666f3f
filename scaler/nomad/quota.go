package nomad

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Quotas remembers the quotas of namespaces, each of which is asked for once.
// Only Nomad Enterprise has them. The zero value is ready for use.
type Quotas struct {
	mu          sync.Mutex
	byNamespace map[string]*api.QuotaSpec
}

// Advise tells when a namespace's quota is too small for the most instances
// that a policy asks for. Region is the one that the client speaks to; "" is the
// agent's own. What Nomad does not say, be it for want of a right, is no advice.
func (q *Quotas) Advise(ctx context.Context, c *Client, job *api.Job, b Block, region string) []scaler.Advice {
	job = canonical(job)
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
		// To Nomad no limit and 0 are the same, and less than that allows nothing.
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
			Reason: fmt.Sprintf("%d instances of group %s need %d %s (%s), and quota %s allows namespace %s %d: %d of them fit, when nothing else runs there.",
				b.Policy.MaxInstances, *group.Name, each*b.Policy.MaxInstances, r.unit, r.what, spec.Name, b.Policy.App.Namespace, max(*r.limit, 0), fit),
			Remedy: remedy,
		})
	}
	return advice
}

// of is the quota of a namespace, or nil when it has none or Nomad does not tell.
func (q *Quotas) of(ctx context.Context, c *Client, namespace string) *api.QuotaSpec {
	q.mu.Lock()
	defer q.mu.Unlock()
	spec, asked := q.byNamespace[namespace]
	if asked {
		return spec
	}
	if found, _, err := c.api.Namespaces().Info(namespace, reading(ctx, "")); err == nil && found.Quota != "" {
		spec, _, _ = c.api.Quotas().Info(found.Quota, reading(ctx, ""))
	}
	if q.byNamespace == nil {
		q.byNamespace = make(map[string]*api.QuotaSpec)
	}
	q.byNamespace[namespace] = spec
	return spec
}

// limitsIn are a quota's limits in a region, or nil when it has none there.
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
