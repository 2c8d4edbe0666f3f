package selection

import (
	"slices"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Outcomes lists the instances that a mode could select now for a request with a
// key, by allocation index. It lists one instance if the result depends neither on
// chance nor on earlier requests. It does not change the pool. The error is that of
// [Pool.Acquire].
func (p *Pool) Outcomes(mode scaler.SelectionMode, key string) ([]*Instance, error) {
	draws := new(everyDraw)
	m := New(mode, draws)
	from, err := p.candidates(m)
	if err != nil {
		return nil, err
	}
	seen := make(map[*Instance]bool)
	for more := true; more && len(seen) < from.Len(); more = draws.next() {
		seen[m.Select(from, key)] = true
	}
	if _, ok := m.(*roundRobin); ok {
		// The result depends on the earlier requests: every turn is possible.
		for range from.Len() {
			seen[m.Select(from, key)] = true
		}
	}
	outcomes := make([]*Instance, 0, len(seen))
	for i := range seen {
		outcomes = append(outcomes, i)
	}
	slices.SortFunc(outcomes, compare)
	return outcomes, nil
}

// everyDraw is a [Source] that returns every sequence of draws, one after another.
type everyDraw struct {
	sequence []draw
	at       int
}

type draw struct{ drawn, of int }

// IntN is the next draw of the sequence.
func (d *everyDraw) IntN(n int) int {
	if d.at == len(d.sequence) {
		d.sequence = append(d.sequence, draw{of: n})
	}
	d.at++
	return d.sequence[d.at-1].drawn
}

// next begins the next sequence and reports whether there is one.
func (d *everyDraw) next() bool {
	d.at = 0
	for len(d.sequence) > 0 {
		last := &d.sequence[len(d.sequence)-1]
		if last.drawn++; last.drawn < last.of {
			return true
		}
		d.sequence = d.sequence[:len(d.sequence)-1]
	}
	return false
}
