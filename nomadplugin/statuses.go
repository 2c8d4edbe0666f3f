package nomadplugin

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// watchStatuses keeps the cached statuses up to date until the context ends.
func watchStatuses(ctx context.Context, statuses *nomad.StatusCache, log hclog.Logger) {
	statuses.Watch(ctx, func(err error) {
		log.Warn("changes of the count cannot be watched: every evaluation reads the count from Nomad", "error", cleanError(err))
	})
}
