package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// errNoPlace is what selection returns when a request has to wait.
var errNoPlace = errors.New("no instance has room")

// place is room kept for one request at an instance.
type place struct {
	slot    *selection.Instance
	address string
}

func (p place) id() string {
	if p.slot == nil {
		return ""
	}
	return p.slot.ID
}

// selection sends the request to an instance and keeps room for it there until
// it has ended. If the instance does not accept it, or breaks off and the request
// can be sent again, it goes to another.
func (g *Gateway) selection(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		for {
			if c.place.slot == nil {
				if err := c.app.take(c, g.hashKey(c.policy, r)); err != nil {
					return err
				}
			}
			err := c.app.use(next, w, r, c)
			again, err := c.again(r, err)
			if !again {
				return err
			}
			c.place = place{}
		}
	}
}

// take keeps room for a request that waits for no other.
func (a *app) take(c *call, key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.key = key
	if a.queue.length > 0 {
		return errNoPlace
	}
	if i := a.instances[c.failedAt]; i != nil && i.state == api.Ready {
		a.pool.SetReady(i.ID, false)
		var err error
		c.place, err = a.acquire(key)
		a.pool.SetReady(i.ID, true)
		if err == nil {
			return nil
		}
	}
	var err error
	c.place, err = a.acquire(key)
	return err
}

// acquire keeps room at an instance. The caller holds the mutex.
func (a *app) acquire(key string) (place, error) {
	slot, err := a.pool.Acquire(key)
	if err == nil {
		return place{slot, slot.Address}, nil
	}
	var several *selection.SeveralError
	if !errors.As(err, &several) {
		return place{}, errNoPlace
	}
	refusal := &api.Refusal{Cause: api.CauseSeveralInstances, Message: err.Error()}
	for _, id := range several.IDs {
		refusal.Instances = append(refusal.Instances, a.instances[id].ref())
	}
	return place{}, refusal
}

// use serves the call at its place, and then gives that to the next request that
// waits for one.
func (a *app) use(next handler, w http.ResponseWriter, r *http.Request, c *call) (err error) {
	defer func() { a.release(c.place, c.outcome(err)) }()
	return next(w, r, c)
}

// release gives room back, and judges the instance by the outcome if there is one.
func (a *app) release(p place, o *outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pool.Release(p.slot)
	a.assess(p, o)
	a.drained(p.slot)
	a.grant()
}

// hashKey is what the mode hash goes by.
func (g *Gateway) hashKey(p *scaler.Policy, r *http.Request) string {
	if p.ServiceSelectionMode != scaler.SelectHash {
		return ""
	}
	switch kind, name, _ := strings.Cut(p.HashKey, ":"); kind {
	case "header":
		return r.Header.Get(name)
	case "cookie":
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	default:
		return g.clientAddress(r)
	}
}
