package selection

import "math/big"

// SetInFlight puts requests in flight on an instance without selecting it.
func SetInFlight(p *Pool, id string, n int) { p.count(p.Get(id), n) }

// EveryDraw goes through all that chance can do.
type EveryDraw = everyDraw

// Next begins the next sequence; false when there is none.
func (d *everyDraw) Next() bool { return d.next() }

// Probability is how likely the sequence just drawn is.
func (d *everyDraw) Probability() *big.Rat {
	p := big.NewRat(1, 1)
	for _, draw := range d.sequence {
		p.Mul(p, big.NewRat(1, int64(draw.of)))
	}
	return p
}
