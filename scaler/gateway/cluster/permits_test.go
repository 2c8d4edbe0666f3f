package cluster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// permitsOf returns the permits of a process for instances that have them.
func permitsOf(process string, clock *cluster.LamportClock, instances *fakeInstances, alone bool) *cluster.Permits {
	p := cluster.NewPermits(process, shop, clock, instances)
	for _, i := range instances.all {
		p.Add(i.id, alone)
	}
	p.SetLimit(instances.limit)
	return p
}

// A gateway that is alone has all permits, and gives up those that it does not use
// when there is another one.
func TestPermitsOfAGatewayThatIsAlone(t *testing.T) {
	instances := instancesOf(3, "a", "b")
	p := permitsOf("p1", new(cluster.LamportClock), instances, true)
	if p.Limited() || p.Limit() != 3 {
		t.Errorf("limited %t, limit %d; want false and 3", p.Limited(), p.Limit())
	}
	if p.Request(5) {
		t.Error("it requests permits though it has all")
	}
	instances.all[0].inFlight = 2
	p.ReleaseIdle()
	if got := p.Report().Granted; !p.Limited() || !cmp.Equal(got, map[string]int{"a": 2}) {
		t.Errorf("limited %t, granted %v; want true and only those in use", p.Limited(), got)
	}
	if instances.all[0].reserved != 1 || instances.all[1].reserved != 3 {
		t.Errorf("%d and %d are reserved, want 1 and 3", instances.all[0].reserved, instances.all[1].reserved)
	}
	p.SetLimit(0)
	if p.Limited() || p.Request(5) || instances.all[1].reserved != 0 {
		t.Error("permits are needed without a limit")
	}
	p.SetLimit(3)
	instances.all = instances.all[:1]
	p.Remove("b")
	p.Request(1)
	if got := p.Report().Requested; !cmp.Equal(got, map[string]int{"a": 3}) {
		t.Errorf("requested %v, want 3 of a", got)
	}
	instances.all[0].closed = true
	if p.Request(1) {
		t.Error("it requests permits of an instance that takes no requests")
	}
}

// A request that goes on in a permit that was given up holds it until its end, and
// an overlap is a reason to ask.
func TestPermitsThatOverlap(t *testing.T) {
	instances, now := instancesOf(2, "a"), time.Unix(1e9, 0)
	p := permitsOf("p1", new(cluster.LamportClock), instances, true)
	instances.all[0].inFlight = 2
	p.ReleaseIdle()
	m := membership(t, api.PeerReport{Process: "p2"})
	p.SetOverlap()
	if !p.Overlap() || !p.Request(0) {
		t.Error("an overlap is no reason to ask")
	}
	p.Observe(api.PermitReport{Process: "p2", App: shop, Number: 5, Granted: map[string]int{"a": 2}}, now)
	p.Claim(m, now)
	if p.Overlap() || instances.all[0].reserved != 1 {
		t.Errorf("overlap %t, %d reserved; want none and the half of the other", p.Overlap(), instances.all[0].reserved)
	}
	if got := p.Report(); got.Granted["a"] != 2 || got.Number <= 5 {
		t.Errorf("it reports %+v, want both requests and a number above 5", got)
	}
	instances.all[0].inFlight = 0
	if got := p.Report().Granted["a"]; got != 1 {
		t.Errorf("it still holds %d, want 1", got)
	}
}

// The permits of a gateway that has ended are free, and so are in time those of one
// that is silent.
func TestPermitsOfGatewaysThatAreNotThere(t *testing.T) {
	now := time.Unix(1e9, 0)
	claimed := func(m *cluster.Membership, now time.Time) int {
		instances := instancesOf(4, "a")
		p := permitsOf("p1", new(cluster.LamportClock), instances, false)
		p.Observe(api.PermitReport{Process: "p2", App: shop, Number: 1, Granted: map[string]int{"a": 3}}, time.Unix(1e9, 0))
		p.Request(4)
		p.Claim(m, now)
		return p.Report().Granted["a"]
	}
	there := api.PeerReport{Process: "p2"}
	if got := claimed(membership(t, there), now); got != 1 {
		t.Errorf("%d were claimed next to a gateway that has 3 of 4, want 1", got)
	}
	if got := claimed(membership(t), now); got != 1 {
		t.Errorf("%d were claimed next to a gateway that was observed now, want 1", got)
	}
	if got := claimed(membership(t), now.Add(hold)); got != 4 {
		t.Errorf("%d were claimed when the other had not been found for a while, want all", got)
	}

	client, clock := clientOf(there), new(clock)
	c := start(t, cluster.Config{Client: client, Process: "p1", Now: clock.now})
	client.fail("a", errUnwell)
	clock.pass(hold + (forget-hold)/2)
	c.Refresh(t.Context())
	if got := claimed(c.Snapshot(), now); got != 2 {
		t.Errorf("%d were claimed next to a gateway that was silent for half the time, want 2", got)
	}
	client = clientOf(there)
	c = start(t, cluster.Config{Client: client, Process: "p1"})
	client.fail("a", errRefused)
	c.Refresh(t.Context())
	if got := claimed(c.Snapshot(), now); got != 4 {
		t.Errorf("%d were claimed next to a gateway that has ended, want all", got)
	}
}

// A report that comes late does not replace a newer one, and one of a gateway that
// was not there for a minute is forgotten.
func TestPermitReportsThatAreOld(t *testing.T) {
	m, now := membership(t, api.PeerReport{Process: "p2"}), time.Unix(1e9, 0)
	observed := func() (*cluster.Permits, func(now time.Time) int) {
		p := permitsOf("p1", new(cluster.LamportClock), instancesOf(4, "a"), false)
		p.Observe(api.PermitReport{Process: "p2", App: shop, Number: 5, Granted: map[string]int{"a": 3}}, now)
		return p, func(now time.Time) int {
			p.Request(4)
			p.Claim(m, now)
			return p.Report().Granted["a"]
		}
	}
	p, claimed := observed()
	p.Observe(api.PermitReport{Process: "p2", App: shop, Number: 4}, now)
	if got := claimed(now); got != 1 {
		t.Errorf("after a late report %d were claimed of 4 less 3, want 1", got)
	}
	p, claimed = observed()
	later := now.Add(forget)
	p.Claim(membership(t), later)
	if got := claimed(later); got != 1 {
		t.Errorf("next to a gateway that was away for a minute %d were claimed, want 1", got)
	}
	p, claimed = observed()
	later = later.Add(time.Second)
	p.Claim(membership(t), later)
	if got := claimed(later); got != 4 {
		t.Errorf("next to a gateway that was away for longer %d were claimed, want all", got)
	}
}

// holder is the permits of one gateway, with the requests that it has.
type holder struct {
	*cluster.Permits
	process   string
	instances *fakeInstances
	waiting   int
	requests  []*fakeInstance
	// asking is what it has told the others that it requests, until all have
	// answered.
	asking   *api.PermitReport
	answered map[string]bool
}

// However the messages of gateways interleave, no instance gets more requests than
// its limit, and no permit is held twice.
func TestPermitsAreHeldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		ids := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "instances")]
		var all []*holder
		var reports []api.PeerReport
		for n := range rapid.IntRange(2, 4).Draw(t, "gateways") {
			h := &holder{process: fmt.Sprintf("gateway-%d", n), instances: instancesOf(limit, ids...)}
			h.Permits = permitsOf(h.process, new(cluster.LamportClock), h.instances, false)
			all = append(all, h)
			reports = append(reports, api.PeerReport{Process: h.process})
		}
		m := membership(t, reports...)
		now := time.Unix(1e9, 0)
		// Answers are on their way until they are delivered.
		type answer struct {
			from  string
			to    *holder
			asked int64
			api.PermitReport
		}
		var answers []answer
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			h := all[rapid.IntRange(0, len(all)-1).Draw(t, "gateway")]
			steps := []string{"come", "come", "end", "ask", "tell", "tell", "tell", "hear", "hear", "hear"}
			switch rapid.SampledFrom(steps).Draw(t, "step") {
			case "come":
				if i := h.instances.acquire(); i != nil {
					h.requests = append(h.requests, i)
				} else {
					h.waiting++
				}
			case "end":
				if len(h.requests) > 0 {
					n := rapid.IntRange(0, len(h.requests)-1).Draw(t, "request")
					h.requests[n].inFlight--
					h.requests = slices.Delete(h.requests, n, n+1)
				}
			case "ask":
				if h.asking == nil && h.Request(h.waiting) {
					r := h.Report()
					h.asking, h.answered = &r, make(map[string]bool)
				}
			case "tell":
				// The same one may be told twice, and late.
				other := all[rapid.IntRange(0, len(all)-1).Draw(t, "other")]
				if h.asking != nil && other != h {
					other.Observe(*h.asking, now)
					other.Yield(*h.asking, other.waiting, m, now)
					answers = append(answers, answer{other.process, h, h.asking.Number, other.Report()})
				}
			case "hear":
				if len(answers) == 0 {
					break
				}
				n := rapid.IntRange(0, len(answers)-1).Draw(t, "answer")
				a := answers[n]
				answers = slices.Delete(answers, n, n+1)
				if a.to.asking == nil || a.to.asking.Number != a.asked {
					break
				}
				a.to.Observe(a.PermitReport, now)
				a.to.answered[a.from] = true
				if len(a.to.answered) < len(all)-1 {
					break
				}
				a.to.asking = nil
				a.to.Claim(m, now)
				for a.to.waiting > 0 {
					i := a.to.instances.acquire()
					if i == nil {
						break
					}
					a.to.waiting--
					a.to.requests = append(a.to.requests, i)
				}
			}
			for n, id := range ids {
				held := 0
				for _, h := range all {
					held += h.instances.held(n)
				}
				if held > limit {
					t.Fatalf("%d permits of %s are held, want at most %d", held, id, limit)
				}
			}
		}
	})
}
