package provider

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// connection is how everything that the provider declares reaches Nomad.
type connection struct {
	// client is nil while the provider's configuration is unknown.
	client *nomad.Client
	// namespace is that of jobs whose specification names none; "" is default.
	namespace string
	// region is the one that is configured, or "".
	region string
	// quotas are those of the namespaces that plans have asked for.
	quotas nomad.Quotas
	// now is the clock.
	now func() time.Time
	// jobs are the jobspecs that were parsed, by their text: what is applied is
	// planned once more before.
	jobs sync.Map
}

// parseJob reads a jobspec, which Nomad does once for each, and fills in the
// namespace. The job is not to be changed.
func (c *connection) parseJob(ctx context.Context, jobspec string) (*api.Job, error) {
	if parsed, ok := c.jobs.Load(jobspec); ok {
		job, _ := parsed.(*api.Job)
		return job, nil
	}
	job, err := c.client.ParseJob(ctx, jobspec)
	if err != nil {
		return nil, err
	}
	if job.Namespace == nil || *job.Namespace == "" {
		job.Namespace = new(c.defaultNamespace())
	}
	c.jobs.Store(jobspec, job)
	return job, nil
}

// use returns the client, or says why there is none.
func (c *connection) use() (*nomad.Client, diag.Diagnostics) {
	var diags diag.Diagnostics
	if c == nil || c.client == nil {
		diags.AddError("The provider is not configured",
			"Part of the provider's configuration is not known yet, so Nomad cannot be reached. Apply first what it depends on, with "+
				"-target, or give it values that are known.")
		return nil, diags
	}
	return c.client, nil
}

// defaultNamespace is that of jobs for which none is named.
func (c *connection) defaultNamespace() string {
	if c.namespace == "" {
		return api.DefaultNamespace
	}
	return c.namespace
}

// planNamespace is the namespace that is planned where the configuration may
// leave it to the provider: unknown while the provider's own is.
func (c *connection) planNamespace(config, before types.String) types.String {
	switch configured := c != nil && c.client != nil; {
	case !config.IsNull():
		return config
	case configured:
		return types.StringValue(c.defaultNamespace())
	case !before.IsNull():
		return before
	default:
		return types.StringUnknown()
	}
}
