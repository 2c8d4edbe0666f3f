package selection

import "math/bits"

// powerOfTwo draws two different instances and selects the one with fewer
// requests in flight. It is nearly as even as the fewest of all, at a cost that
// does not grow, and callers that do not know of each other do not all turn to
// the same one.
type powerOfTwo struct{ random Source }

func (m powerOfTwo) Select(from *Set, _ string) *Instance {
	n := from.Len()
	if n == 1 {
		return from.At(0)
	}
	first := m.random.IntN(n)
	second := first + 1 + m.random.IntN(n-1)
	second -= n &^ mask(second-n)
	return from.At(first + (second-first)&mask(from.At(second).load()-from.At(first).load()))
}

// mask is all ones for a number below zero and zero for any other. No processor
// can predict a branch that chance decides, and to guess wrong costs more than
// all the rest of a draw.
func mask(n int) int { return n >> (bits.UintSize - 1) }
