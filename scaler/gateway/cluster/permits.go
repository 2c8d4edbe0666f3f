package cluster

import (
	"iter"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Permits divides an app's hard cap among the gateways. Each instance has
// max_concurrency_per_instance permits, of which every gateway holds some. A
// gateway uses the permits that it holds without asking. When requests wait for
// more, it asks all other gateways at once. They give up their unused permits in
// their answer, so a permit changes hands in one round trip.
//
// No permit is held twice. A gateway first tells all others how many it requests.
// It claims them when all have answered, less what those hold, and less what is
// requested by those that asked before it. The order is that of a [LamportClock],
// so all agree on it: of two gateways that ask at once, each has heard the other
// before it claims, and the later one leaves room for all that the earlier one
// requests.
//
// This needs that every gateway knows all others. An instance can get its whole
// cap from each part of a cut network, and from a gateway that has joined until
// the others have found it.
//
// It is not safe for concurrent use.
type Permits struct {
	process   string
	app       scaler.AppID
	clock     *LamportClock
	instances Instances
	limit     int // 0 while there is no hard cap

	// granted is how many permits this gateway may use, by instance. A number
	// above the limit stands for all.
	granted map[string]int
	// limited are the instances of which other gateways may hold permits.
	limited map[string]bool
	// requested is how many permits it would like to hold while it asks.
	// requestedAt is the number with which it began to ask.
	requested   map[string]int
	requestedAt int64
	// peers are the newest reports of the other gateways, by process.
	peers map[string]observedReport
	// overlap is set when an instance has more requests than its limit.
	overlap bool
}

// Instances are the instances of an app.
type Instances interface {
	// All yields every instance. Reserve may be called meanwhile.
	All() iter.Seq[Instance]
	// Reserve keeps that many permits of an instance for the other gateways.
	Reserve(id string, permits int)
}

// Instance is the state of one of [Instances].
type Instance struct {
	ID string
	// InFlight are this gateway's requests at it.
	InFlight int
	// Open reports whether it takes new requests: it is ready and not draining.
	Open bool
}

// observedReport is a report of another gateway, and when it was observed.
type observedReport struct {
	api.PermitReport
	at time.Time
}

// allPermits of an instance are held by a gateway that is alone.
const allPermits = math.MaxInt

// NewPermits returns the permits of an app without instances. The clock is that of
// the process.
func NewPermits(process string, app scaler.AppID, clock *LamportClock, instances Instances) *Permits {
	return &Permits{
		process: process, app: app, clock: clock, instances: instances, granted: make(map[string]int),
		limited: make(map[string]bool), requested: make(map[string]int), peers: make(map[string]observedReport),
	}
}

// Add grants all permits of a new instance to a gateway that is alone, and none to
// any other. The instance is one of [Instances] already.
func (p *Permits) Add(id string, alone bool) {
	if alone {
		p.granted[id] = allPermits
	}
	p.reserve(id)
}

// Remove forgets an instance.
func (p *Permits) Remove(id string) {
	delete(p.granted, id)
	delete(p.limited, id)
	delete(p.requested, id)
}

// Limit is the hard cap of each instance; 0 means none.
func (p *Permits) Limit() int { return p.limit }

// SetLimit changes the hard cap.
func (p *Permits) SetLimit(limit int) {
	p.limit = limit
	for i := range p.instances.All() {
		p.reserve(i.ID)
	}
}

// Limited reports whether other gateways may hold permits of some instance.
func (p *Permits) Limited() bool { return len(p.limited) > 0 }

// Overlap reports whether an instance has more requests than its limit.
func (p *Permits) Overlap() bool { return p.overlap }

// SetOverlap notes that an instance has more requests than its limit.
// [Permits.Claim] clears the note.
func (p *Permits) SetOverlap() { p.overlap = true }

// ReleaseIdle gives up the permits that are not in use, because there is another
// gateway.
func (p *Permits) ReleaseIdle() {
	for i := range p.instances.All() {
		p.granted[i.ID] = min(p.granted[i.ID], i.InFlight)
		p.reserve(i.ID)
	}
}

// reserve keeps what is not granted to this gateway for the others.
func (p *Permits) reserve(id string) {
	reserved := max(0, p.limit-p.granted[id])
	p.instances.Reserve(id, reserved)
	if reserved > 0 {
		p.limited[id] = true
	} else {
		delete(p.limited, id)
	}
}

// held is how many permits of an instance the others cannot have. A request that
// uses a permit that was given up holds it until its end.
func (p *Permits) held(i Instance) int { return max(min(p.granted[i.ID], p.limit), i.InFlight) }

// Report says what the gateway holds and requests at this moment.
func (p *Permits) Report() api.PermitReport {
	r := api.PermitReport{
		Process: p.process, App: p.app, Number: p.clock.Next(),
		Granted: make(map[string]int), Requested: make(map[string]int), RequestedAt: p.requestedAt,
	}
	for i := range p.instances.All() {
		if n := p.held(i); n > 0 {
			r.Granted[i.ID] = n
		}
		if n := p.requested[i.ID]; n > 0 {
			r.Requested[i.ID] = n
		}
	}
	return r
}

// Request begins to ask for permits for the requests that wait. It reports whether
// there is a reason to ask. [Permits.Claim] follows when all others have answered.
func (p *Permits) Request(waiting int) bool {
	clear(p.requested)
	p.requestedAt = p.clock.Next()
	for i := range p.instances.All() {
		n := min(p.limit, i.InFlight+waiting)
		if waiting > 0 && i.Open && n > p.granted[i.ID] {
			p.requested[i.ID] = n
		}
	}
	return len(p.requested) > 0 || p.overlap
}

// Observe takes over the report of another gateway unless a newer one is known.
func (p *Permits) Observe(r api.PermitReport, now time.Time) {
	if r.Number > p.peers[r.Process].Number {
		p.peers[r.Process] = observedReport{r, now}
	}
	p.clock.Observe(r.Number)
}

// Yield gives up permits that another gateway requests. Where this one has
// requests in flight or waiting, it keeps an even share.
func (p *Permits) Yield(r api.PermitReport, waiting int, m *Membership, now time.Time) {
	others := p.effectiveReports(m, now)
	for i := range p.instances.All() {
		requested := r.Requested[i.ID]
		if requested == 0 {
			continue
		}
		keep := max(0, p.limit-requested)
		if waiting > 0 || i.InFlight > 0 {
			keep = max(keep, p.evenShare(i.ID, others, now))
		}
		p.granted[i.ID] = min(p.granted[i.ID], keep)
		p.reserve(i.ID)
	}
}

// Claim ends asking: what is requested and free becomes this gateway's. It gives
// up permits that are held twice, as when gateways have only now found each other.
func (p *Permits) Claim(m *Membership, now time.Time) {
	others := p.effectiveReports(m, now)
	for process, o := range p.peers {
		if _, counts := others[process]; !counts && now.Sub(o.at) > peerForget {
			delete(p.peers, process)
		}
	}
	for i := range p.instances.All() {
		free, left := p.limit, p.limit
		for process, o := range others {
			taken := o.Granted[i.ID]
			left -= taken
			if o.RequestedAt < p.requestedAt || o.RequestedAt == p.requestedAt && process < p.process {
				taken = max(taken, o.Requested[i.ID])
			}
			free -= taken
		}
		if p.held(i) > left {
			p.granted[i.ID] = min(p.granted[i.ID], max(left, p.evenShare(i.ID, others, now)))
		}
		p.granted[i.ID] = max(p.granted[i.ID], min(p.requested[i.ID], free))
		p.reserve(i.ID)
	}
	clear(p.requested)
	p.overlap = false
}

// effectiveReports are the reports whose permits count: those of members, and of
// gateways that were observed lately and are no members yet. The permits of a
// silent member decay.
func (p *Permits) effectiveReports(m *Membership, now time.Time) map[string]api.PermitReport {
	reports := make(map[string]api.PermitReport)
	for process, o := range p.peers {
		one, known := m.members[process]
		switch {
		case known && one.weight < 1:
			r := api.PermitReport{Granted: make(map[string]int)}
			for id, n := range o.Granted {
				r.Granted[id] = int(math.Ceil(float64(n) * one.weight))
			}
			reports[process] = r
		case known, !m.gone[process] && now.Sub(o.at) < peerHold:
			reports[process] = o.PermitReport
		}
	}
	return reports
}

// evenShare divides an instance's permits among this gateway and those that hold or
// request some. The remainder goes to different gateways each second.
func (p *Permits) evenShare(id string, others map[string]api.PermitReport, now time.Time) int {
	n, before := 1, 0
	turn := id + now.UTC().Format(time.TimeOnly)
	for process, o := range others {
		if o.Granted[id] == 0 && o.Requested[id] == 0 {
			continue
		}
		n++
		if tieBreak(process, turn) < tieBreak(p.process, turn) {
			before++
		}
	}
	if before < p.limit%n {
		return p.limit/n + 1
	}
	return p.limit / n
}

// tieBreak orders the gateways differently in each turn.
func tieBreak(process, turn string) uint64 { return hash(turn + "/" + process) }
