package gateway

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// An instance that does not accept connections is ejected at once, and one that
// breaks off or gives no answer in time after ejectAfter requests in a row. From
// then on each further failure ejects it for longer, until it answers one: an app's
// own errors are answers.
const (
	ejectAfter = 3
	ejectFirst = time.Second
	ejectLast  = time.Minute
)

// ejection is how long an instance is out before it is probed again. A port that
// is open again is reason enough to believe in an instance at first.
func ejection(failures int) time.Duration {
	n := failures - ejectAfter
	if n < 0 {
		return 0
	}
	return min(ejectFirst<<min(n, 10), ejectLast)
}

// outcome is what a request has shown of its instance.
type outcome struct {
	sent time.Time
	// err is why there was no answer; nil when there was one.
	err error
	// refused tells that the instance did not accept the connection.
	refused bool
}

// outcome is what the call has shown of its instance; nil when that is nothing,
// as when its client leaves.
func (c *call) outcome(err error) *outcome {
	if !c.headed.IsZero() {
		return &outcome{sent: c.sent}
	}
	if err == nil {
		return nil
	}
	var refused notSent
	var broken unanswered
	var refusal *api.Refusal
	switch {
	case errors.As(err, &refused):
		if !refusedDial(refused.error) {
			return nil
		}
		return &outcome{sent: c.sent, err: refused.error, refused: true}
	case errors.As(err, &broken):
		return &outcome{sent: c.sent, err: broken.error, refused: refusedDial(broken.error)}
	case errors.As(err, &refusal) && (refusal.Cause == api.CauseRequestTimeout || refusal.Cause == api.CauseBadAnswer):
		return &outcome{sent: c.sent, err: errors.New(refusal.Message)}
	default:
		return nil
	}
}

// refusedDial tells that an instance cannot be connected to. That the gateway has
// no more files or ports is not the instance's fault.
func refusedDial(err error) bool {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return false
	}
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, own) {
			return false
		}
	}
	return true
}

// assess judges an instance by a request that has ended. The last one that is
// ready is ejected only for accepting no connections: with no other to go to,
// requests are better off with one that answers some. The caller holds the mutex.
func (a *app) assess(p place, o *outcome) {
	i := a.instances[p.slot.ID]
	switch {
	case o == nil || i == nil || i.slot.Address != p.address:
		return
	case o.err == nil:
		i.failures = 0
		return
	case i.state != api.Ready || o.sent.Before(i.since):
		// That has been judged already.
		return
	}
	i.failures++
	if !o.refused && (i.failures < ejectAfter || !a.anotherReady(i)) {
		return
	}
	out := ejection(i.failures)
	a.log.Warn("an instance is ejected", "instance", i.ID, "index", i.Index, "failures", i.failures, "for", out, "error", o.err)
	a.gateway.metrics.ejections.WithLabelValues(a.name).Inc()
	a.await(i, api.Ejected, out)
	i.err = o.err
}

func (a *app) anotherReady(than *instance) bool {
	for _, i := range a.instances {
		if i != than && i.state == api.Ready {
			return true
		}
	}
	return false
}
