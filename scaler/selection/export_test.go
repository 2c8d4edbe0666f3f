package selection

import "math/big"

// SetInFlight sets the requests in flight on an instance without selecting it.
func SetInFlight(p *Pool, id string, n int) { p.setInFlight(p.Get(id), n) }

// EveryDraw is a source that goes through all sequences of draws.
type EveryDraw = everyDraw

// Next begins the next sequence and reports whether there is one.
func (d *everyDraw) Next() bool { return d.next() }

// Probability is the probability of the current sequence.
func (d *everyDraw) Probability() *big.Rat {
	p := big.NewRat(1, 1)
	for _, draw := range d.sequence {
		p.Mul(p, big.NewRat(1, int64(draw.of)))
	}
	return p
}
