package backend

import (
	"context"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/instances"
)

// observer tells an app what happens to its instances.
type observer struct{ app *App }

var _ instances.Observer = observer{}

// Added gives the app its permits of an instance.
func (o observer) Added(i *instances.Instance, isNew bool) {
	o.app.sharing.permits.Add(i.ID, o.app.config.Cluster.Snapshot().Alone())
	if isNew {
		o.app.starts.cold.notePlacement(o.app.config.Now())
	}
}

// Probed lets requests that wait have what room there is. It is also their clock.
func (o observer) Probed() { o.app.waiting.dispatchLocked() }

// Ready learns how long instances take to start.
func (o observer) Ready(took time.Duration) {
	o.app.starts.cold.noteReady(o.app.config.Now())
	if took > 0 {
		o.app.starts.time.learn(took)
	}
}

// Draining ends the delay of an instance that has no request.
func (o observer) Draining(id string) { o.app.endDelayLocked(id) }

// Removed gives up the permits of an instance.
func (o observer) Removed(id string) {
	o.app.sharing.permits.Remove(id)
	delete(o.app.delaysEnded, id)
}

// Shrunk lets the app grow again if it has to.
func (o observer) Shrunk() { o.app.growth.shrunkLocked() }

// Ejected counts an instance that is taken out of rotation.
func (o observer) Ejected() { o.app.config.Metrics.Ejection(o.app.ID) }

// endDelayLocked ends the shutdown_delay of a stopping instance when its last request
// is over, at every gateway. It does so once.
func (a *App) endDelayLocked(id string) {
	c, i := a.config, a.instances.Get(id)
	if !c.EndDelays || i == nil || a.delaysEnded[id] || !i.Pooled().Draining() || i.InFlight() > 0 ||
		!c.Cluster.Snapshot().Drained(a.ID, id) {
		return
	}
	a.delaysEnded[id] = true
	c.Work.Go(func() {
		ctx, cancel := context.WithTimeout(c.Work.Context(), callTimeout)
		defer cancel()
		if err := c.Nomad.EndDelay(ctx, id); err != nil {
			a.log.Warn("the delay of a stopping instance could not be ended early", "instance", id, "error", err)
		}
	})
}
