package gateway

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// holder is the slots of one gateway in a test, with the requests that it has.
type holder struct {
	slots
	waiting  int
	requests []*selection.Instance
	// asking is what it has told the others of what it wants, until all have
	// answered.
	asking   *api.PermitReport
	answered map[string]bool
}

func newHolder(process string, limit int, instances []string) *holder {
	pool := selection.NewPool(selection.New(scaler.SelectRoundRobin, source{}), limit)
	h := &holder{slots: newSlots(process, new(numbers), pool)}
	for i, id := range instances {
		h.add(pool.Add(id, i, ""), false)
		pool.SetReady(id, true)
	}
	h.setLimit(limit)
	return h
}

// members is the view of a gateway that knows all others.
func members(of []*holder) *view {
	v := &view{members: make(map[string]member), complete: true}
	for _, h := range of {
		v.members[h.process] = member{answers: true, part: 1}
	}
	return v
}

// However the messages of gateways interleave, no instance gets more requests
// than its limit, and no slot is held twice.
func TestSlotsAreHeldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		ids := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "instances")]
		var all []*holder
		for n := range rapid.IntRange(2, 4).Draw(t, "gateways") {
			all = append(all, newHolder(fmt.Sprintf("gateway-%d", n), limit, ids))
		}
		v := members(all)
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
			switch rapid.SampledFrom([]string{"come", "come", "end", "ask", "tell", "tell", "tell", "hear", "hear", "hear"}).Draw(t, "step") {
			case "come":
				if i, err := h.pool.Acquire(""); err == nil {
					h.requests = append(h.requests, i)
				} else {
					h.waiting++
				}
			case "end":
				if len(h.requests) > 0 {
					n := rapid.IntRange(0, len(h.requests)-1).Draw(t, "request")
					h.pool.Release(h.requests[n])
					h.requests = slices.Delete(h.requests, n, n+1)
				}
			case "ask":
				if h.asking == nil && h.ask(h.waiting) {
					r := h.report(appID)
					h.asking, h.answered = &r, make(map[string]bool)
				}
			case "tell":
				// The same one may be told twice, and late.
				other := all[rapid.IntRange(0, len(all)-1).Draw(t, "other")]
				if h.asking != nil && other != h {
					other.hear(*h.asking, now)
					other.yield(*h.asking, other.waiting, v, now)
					answers = append(answers, answer{other.process, h, h.asking.Number, other.report(appID)})
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
				a.to.hear(a.PermitReport, now)
				a.to.answered[a.from] = true
				if len(a.to.answered) == len(all)-1 {
					a.to.asking = nil
					a.to.take(v, now)
					for a.to.waiting > 0 {
						i, err := a.to.pool.Acquire("")
						if err != nil {
							break
						}
						a.to.waiting--
						a.to.requests = append(a.to.requests, i)
					}
				}
			}
			for _, id := range ids {
				held := 0
				for _, h := range all {
					held += h.held(h.pool.Get(id))
				}
				if held > limit {
					t.Fatalf("%d slots of %s are held, want at most %d", held, id, limit)
				}
			}
		}
	})
}
