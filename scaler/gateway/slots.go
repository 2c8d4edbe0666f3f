package gateway

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// slots are what an app's hard cap leaves to each gateway: max_concurrency_per_instance
// slots at each instance, of which every gateway holds some. A gateway uses the
// slots that it holds without asking, and asks all others at once when requests
// wait for more. Those that do not use theirs give them up in their answer, so a
// slot changes hands in one round trip.
//
// No slot is held twice. A gateway first tells all others what it wants and takes
// it when all have answered, less what they hold, and less what those want that
// asked before it. Reports are numbered by a clock of Lamport's, so all agree on
// who did: of two that ask at once each has heard the other before it takes
// anything, and the one that comes second leaves room for all that the first
// wants. This is so as long as every gateway knows all others: from when one has
// joined until the others have found it, or while the network is cut between two
// that live, an instance can get as much from each part of them as it may have
// from all.
//
// The app's mutex guards it.
type slots struct {
	process string
	pool    *selection.Pool
	limit   int // 0 while there is no hard cap
	// mine is how many slots this gateway may use, by instance; more than the
	// limit stand for all.
	mine map[string]int
	// short are the instances at which the limit is not all this gateway's.
	short map[string]bool
	// want is how many it would like to hold, while it asks, and asked the number
	// with which it began to.
	want   map[string]int
	asked  int64
	others map[string]heard
	// overlap tells that more requests are at an instance than may be.
	overlap bool
	number  *numbers
}

// heard is the newest that another gateway has said, and when.
type heard struct {
	api.PermitReport
	at time.Time
}

// allSlots of an instance are held by a gateway that knows no other.
const allSlots = math.MaxInt

func newSlots(process string, number *numbers, pool *selection.Pool) slots {
	return slots{
		process: process, number: number, pool: pool, mine: make(map[string]int),
		short: make(map[string]bool), want: make(map[string]int), others: make(map[string]heard),
	}
}

// add gives a new instance's slots to a gateway that is alone.
func (s *slots) add(i *selection.Instance, alone bool) {
	if alone {
		s.mine[i.ID] = allSlots
	}
	s.reserve(i)
}

// share gives up the slots that are not in use: there is another gateway.
func (s *slots) share() {
	for _, i := range s.pool.Instances() {
		s.mine[i.ID] = min(s.mine[i.ID], i.InFlight())
		s.reserve(i)
	}
}

// remove forgets an instance.
func (s *slots) remove(id string) {
	delete(s.mine, id)
	delete(s.short, id)
	delete(s.want, id)
}

// setLimit changes the hard cap.
func (s *slots) setLimit(limit int) {
	s.limit = limit
	for _, i := range s.pool.Instances() {
		s.reserve(i)
	}
}

// reserve keeps what is not this gateway's for the others.
func (s *slots) reserve(i *selection.Instance) {
	reserved := max(0, s.limit-s.mine[i.ID])
	s.pool.SetReserved(i, reserved)
	if reserved > 0 {
		s.short[i.ID] = true
	} else {
		delete(s.short, i.ID)
	}
}

// held is what others have to reckon with: requests that go on in slots that were
// given up are over only when they have ended.
func (s *slots) held(i *selection.Instance) int {
	return max(min(s.mine[i.ID], s.limit), i.InFlight())
}

// report says what the gateway holds and wants at this moment.
func (s *slots) report(app scaler.AppID) api.PermitReport {
	r := api.PermitReport{Process: s.process, App: app, Number: s.number.next(), Granted: make(map[string]int), Requested: make(map[string]int), RequestedAt: s.asked}
	for _, i := range s.pool.Instances() {
		if n := s.held(i); n > 0 {
			r.Granted[i.ID] = n
		}
		if n := s.want[i.ID]; n > 0 {
			r.Requested[i.ID] = n
		}
	}
	return r
}

// ask begins to ask for slots for the requests that wait, and tells whether there
// is anything to ask for. [slots.take] follows when all others have answered.
func (s *slots) ask(waiting int) bool {
	clear(s.want)
	s.asked = s.number.next()
	for _, i := range s.pool.Instances() {
		n := min(s.limit, i.InFlight()+waiting)
		if waiting > 0 && i.Ready() && !i.Draining() && n > s.mine[i.ID] {
			s.want[i.ID] = n
		}
	}
	return len(s.want) > 0 || s.overlap
}

// hear takes over what another gateway says, unless something newer is known.
func (s *slots) hear(r api.PermitReport, now time.Time) {
	if r.Number > s.others[r.Process].Number {
		s.others[r.Process] = heard{r, now}
	}
	s.number.heard(r.Number)
}

// yield gives up slots that another gateway wants: those that are not in use, and
// where requests are under way or wait all above an even part.
func (s *slots) yield(r api.PermitReport, waiting int, v *view, now time.Time) {
	others := s.counted(v, now)
	for _, i := range s.pool.Instances() {
		want := r.Requested[i.ID]
		if want == 0 {
			continue
		}
		keep := max(0, s.limit-want)
		if waiting > 0 || i.InFlight() > 0 {
			keep = max(keep, s.even(i.ID, others, now))
		}
		s.mine[i.ID] = min(s.mine[i.ID], keep)
		s.reserve(i)
	}
}

// take ends asking: what is wanted and free is this gateway's. It gives up what
// is held twice, as when gateways have found each other only now.
func (s *slots) take(v *view, now time.Time) {
	others := s.counted(v, now)
	for process, o := range s.others {
		if _, counts := others[process]; !counts && now.Sub(o.at) > peerForget {
			delete(s.others, process)
		}
	}
	for _, i := range s.pool.Instances() {
		free, theirs := s.limit, s.limit
		for process, o := range others {
			taken := o.Granted[i.ID]
			theirs -= taken
			if o.RequestedAt < s.asked || o.RequestedAt == s.asked && process < s.process {
				taken = max(taken, o.Requested[i.ID])
			}
			free -= taken
		}
		if s.held(i) > theirs {
			s.mine[i.ID] = min(s.mine[i.ID], max(theirs, s.even(i.ID, others, now)))
		}
		s.mine[i.ID] = max(s.mine[i.ID], min(s.want[i.ID], free))
		s.reserve(i)
	}
	clear(s.want)
	s.overlap = false
}

// counted are the gateways whose slots count: those that are there, and those
// that have just been heard of for the first time. Of one that is silent a part
// counts.
func (s *slots) counted(v *view, now time.Time) map[string]api.PermitReport {
	reports := make(map[string]api.PermitReport)
	for process, o := range s.others {
		m, known := v.members[process]
		switch {
		case known && m.part < 1:
			r := api.PermitReport{Granted: make(map[string]int)}
			for id, n := range o.Granted {
				r.Granted[id] = int(math.Ceil(float64(n) * m.part))
			}
			reports[process] = r
		case known, !v.gone[process] && now.Sub(o.at) < peerHold:
			reports[process] = o.PermitReport
		}
	}
	return reports
}

// even is an even part of an instance's slots, for this gateway and those that
// hold or want some. What cannot be split goes to each of them in turn, a second
// at a time.
func (s *slots) even(id string, others map[string]api.PermitReport, now time.Time) int {
	n, place := 1, 0
	turn := id + now.UTC().Format(time.TimeOnly)
	for process, o := range others {
		if o.Granted[id] == 0 && o.Requested[id] == 0 {
			continue
		}
		n++
		if score(process, turn) < score(s.process, turn) {
			place++
		}
	}
	if place < s.limit%n {
		return s.limit/n + 1
	}
	return s.limit / n
}

// score puts gateways in an order that is another one in every turn.
func score(process, turn string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(turn + "/" + process))
	return h.Sum64()
}
