package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// PeerReport is what /v1/peer answers to the other gateways: this one's load.
type PeerReport struct {
	// Gateway is the ID of the gateway. Process is that of its process, so that
	// one that was started anew is not taken for the one before it.
	Gateway string `json:"gateway"`
	Process string `json:"process"`
	// Ending tells that it takes no new requests.
	Ending bool `json:"ending,omitempty"`
	// Apps are by name, <namespace>/<job>/<group>. Idle ones are left out.
	Apps map[string]PeerLoad `json:"apps"`
}

// PeerLoad is the load of an app at one gateway.
type PeerLoad struct {
	// RequestsPerMinute and Concurrency are as in a [load.Snapshot].
	RequestsPerMinute int `json:"requests_per_minute"`
	Concurrency       int `json:"concurrency"`
	// Arrivals are the requests that came lately, per second, let in or not;
	// counted for an app with rate_limit.
	Arrivals float64 `json:"arrivals,omitempty"`
	// InFlight are the requests at instances, by the allocation's ID.
	InFlight map[string]int `json:"in_flight,omitempty"`
	// Drained are the allocations that Nomad is stopping and that have no
	// request of this gateway, and get none.
	Drained []string `json:"drained,omitempty"`
}

// most bounds every number that gateways tell each other, so that sums do not
// overflow.
const most = 1 << 30

func checkCount(what string, n int) error {
	if n < 0 || n > most {
		return fmt.Errorf("%s = %d: must be from 0 to %d", what, n, most)
	}
	return nil
}

func checkCounts(what string, counts map[string]int) error {
	for id, n := range counts {
		if err := checkCount(what+" of "+id, n); err != nil {
			return err
		}
	}
	return nil
}

var errNoProcess = errors.New("process: must not be empty")

// UnmarshalJSON reads a report and rejects one that no gateway makes.
func (r *PeerReport) UnmarshalJSON(text []byte) error {
	type plain PeerReport
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.Process == "" {
		return errNoProcess
	}
	for app, l := range p.Apps {
		err := errors.Join(
			checkCount("requests_per_minute", l.RequestsPerMinute),
			checkCount("concurrency", l.Concurrency),
			checkCounts("in_flight", l.InFlight),
		)
		if l.Arrivals < 0 || l.Arrivals > most {
			err = errors.Join(err, fmt.Errorf("arrivals = %v: must be from 0 to %d", l.Arrivals, most))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", app, err)
		}
	}
	*r = PeerReport(p)
	return nil
}

func (g *Gateway) servePeer(w http.ResponseWriter, _ *http.Request) {
	now := g.now()
	report := PeerReport{Gateway: g.config.ID, Process: g.process, Ending: g.ending.Load(), Apps: make(map[string]PeerLoad)}
	for _, a := range g.apps.all() {
		if l, idle := a.peerLoad(now); !idle {
			report.Apps[a.name] = l
		}
	}
	writeJSON(w, report)
}

// peerLoad is what other gateways are told of the app.
func (a *app) peerLoad(now time.Time) (l PeerLoad, idle bool) {
	s := a.meter.Snapshot(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	l = PeerLoad{RequestsPerMinute: s.RequestsPerMinute, Concurrency: s.Concurrency, Arrivals: a.arrivals}
	for _, i := range a.instances {
		switch n := i.slot.InFlight(); {
		case n > 0:
			if l.InFlight == nil {
				l.InFlight = make(map[string]int)
			}
			l.InFlight[i.ID] = n
		case i.state == Draining:
			l.Drained = append(l.Drained, i.ID)
		}
	}
	return l, s.RequestsPerMinute == 0 && l.Arrivals == 0 && l.InFlight == nil && l.Drained == nil
}
