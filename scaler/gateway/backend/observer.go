package backend

import (
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
func (o observer) Draining(id string) { o.app.sharing.endDelayLocked(id) }

// Removed gives up the permits of an instance.
func (o observer) Removed(id string) {
	o.app.sharing.permits.Remove(id)
	delete(o.app.sharing.delaysEnded, id)
}

// Shrunk lets the app grow again if it has to.
func (o observer) Shrunk() { o.app.growth.shrunkLocked() }

// Ejected counts an instance that is taken out of rotation.
func (o observer) Ejected() { o.app.config.Metrics.Ejection(o.app.ID) }
