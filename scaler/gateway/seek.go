package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const (
	// Slots are asked for again after seekFirst at first, and later after
	// seekLast.
	seekFirst = 5 * time.Millisecond
	seekLast  = 80 * time.Millisecond
)

// seek asks the other gateways for slots for as long as requests wait, or some
// are held twice. There is at most one a time for each app. The caller holds the
// mutex.
func (a *app) seek() {
	g := a.gateway
	if a.seeking || len(a.slots.short) == 0 && !a.slots.overlap {
		return
	}
	a.seeking = true
	g.work.Go(func() {
		next := seekFirst
		for {
			served, again := a.seekOnce(g.ctx)
			if served {
				next = seekFirst
			}
			if !again || !pause(g.ctx, next) {
				return
			}
			next = min(2*next, seekLast)
		}
	})
}

// seekOnce asks once, if there is still a reason. It tells whether requests were
// served for it, and whether there is a reason to ask again.
func (a *app) seekOnce(ctx context.Context) (served, again bool) {
	a.mu.Lock()
	a.seeking = a.slots.ask(a.queue.length)
	if !a.seeking {
		a.mu.Unlock()
		return false, false
	}
	report := a.slots.report(a.id)
	a.mu.Unlock()

	g := a.gateway
	answers, all := g.peers.exchange(ctx, report)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := g.now()
	for _, r := range answers {
		a.slots.hear(r, now)
	}
	waiting := a.queue.length
	if all {
		a.slots.take(g.peers.known(), now)
		a.grant()
	}
	a.seeking = a.queue.length > 0 || a.slots.overlap
	return a.queue.length < waiting, a.seeking
}

// exchange tells all gateways that answer, and returns what they say, and whether
// all have said something.
func (s *peers) exchange(ctx context.Context, r api.PermitReport) (answers []api.PermitReport, all bool) {
	select {
	case <-ctx.Done():
	case <-s.looked:
	}
	asking, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	var mu sync.Mutex
	answered := make(map[string]bool)
	var group sync.WaitGroup
	asked := 0
	for process, m := range s.known().members {
		if !m.answers {
			continue
		}
		asked++
		group.Go(func() {
			answer, err := s.fleet.ExchangePermits(asking, m.address, r)
			if err != nil {
				s.gateway.metrics.peerErrors.Inc()
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, answer)
			answered[process] = true
		})
	}
	group.Wait()
	if len(answered) < asked {
		s.refresh(ctx)
	}
	for process, m := range s.known().members {
		if m.answers && !answered[process] {
			return answers, false
		}
	}
	return answers, true
}

// maxSlotReport bounds the body of a slot report, in bytes.
const maxSlotReport = 16 << 20

// serveSlots hears what another gateway wants, and answers with what is left to
// this one.
func (g *Gateway) serveSlots(w http.ResponseWriter, r *http.Request) {
	var report api.PermitReport
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSlotReport)).Decode(&report); err != nil {
		http.Error(w, fmt.Sprintf("reading the slots: %v", err), http.StatusBadRequest)
		return
	}
	g.slotReports.heard(report.Number)
	a := g.apps.find(report.App.String())
	if a == nil {
		// Without the app it has none of its slots.
		writeJSON(w, api.PermitReport{Process: g.process, App: report.App, Number: g.slotReports.next()})
		return
	}
	writeJSON(w, a.answer(report))
}

// answer gives up slots to another gateway.
func (a *app) answer(r api.PermitReport) api.PermitReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, v := a.gateway.now(), a.gateway.peers.known()
	a.slots.hear(r, now)
	a.slots.yield(r, a.queue.length, v, now)
	return a.slots.report(a.id)
}
